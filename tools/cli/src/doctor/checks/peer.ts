import { errorMessage } from '@vigil/service';
import { measureRoundTrip, parsePeer, type RoundTrip } from '../measure/round-trip.js';
import { fail, pass, skip, warn, type Check, type Finding } from '../types.js';

export const networkPeer: Check = {
  id: 'network.peer',
  title: 'Round trip to a peer',
  heavy: true,
  async run({ peer }) {
    if (peer === undefined) return skip('Name another machine of the deployment: --peer host:port.');
    const { host, port } = parsePeer(peer)!;
    try {
      return decideRoundTrip(await measureRoundTrip(host, port));
    } catch (error) {
      return fail(
        'no answer',
        `${host} does not answer on port ${port}: ${errorMessage(error)}.`,
        'See that the machine is up, and name a port that its firewall lets pass.',
      );
    }
  },
};

/** Seconds. */
const WANTED = 100e-6;

export function decideRoundTrip({ address, port, seconds, by, samples }: RoundTrip): Finding {
  const bound = by === 'program' ? 'at most ' : '';
  const measured = `${bound}${Math.round(seconds * 1e6)} µs to ${address}:${port}`;
  const how =
    by === 'kernel'
      ? `Median of ${samples} TCP handshakes, timed by the kernel.`
      : `Median of ${samples} TCP handshakes, timed by this program, whose own time is in it.`;
  const values = { seconds, measuredBy: by };
  if (seconds <= WANTED) return { ...pass(measured, how), values };
  return {
    ...warn(
      measured,
      by === 'kernel'
        ? `${how} Less than 100 µs is wanted where machines compute one model together.`
        : `${how} Whether it is below 100 µs needs a port that accepts, and ss (iproute2).`,
      by === 'kernel'
        ? 'Put the machines on one switch, without tunnels or NAT between them; RDMA takes the kernel out of the way.'
        : 'Name a port that accepts connections: --peer host:port.',
    ),
    values,
  };
}
