import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';

/** A thread of this process and the core that it is on. */
export interface ThreadPlace {
  thread: number;
  core: number;
}

/**
 * Which of a batch's new threads must move, and where to, so that no two of them share a core.
 * @param fresh threads that were made for the batch
 * @param taken cores on which others of this process compute
 * @param allowed cores that this process may use
 */
export function moves(
  fresh: readonly ThreadPlace[],
  taken: ReadonlySet<number>,
  allowed: readonly number[],
): ThreadPlace[] {
  const used = new Set(taken);
  const crowded: ThreadPlace[] = [];
  for (const place of fresh) {
    if (used.has(place.core)) crowded.push(place);
    else used.add(place.core);
  }
  const free = allowed.filter((core) => !used.has(core));
  return crowded.slice(0, free.length).map(({ thread }, i) => ({ thread, core: free[i]! }));
}

/** llama.cpp makes its threads when it has laid out a batch, which takes it some tenths of a millisecond. */
const LOOK_MS = 1;
const MOST_LOOKS = 4;
/** The size of the kernel's `cpu_set_t`, in bytes. */
const SET_BYTES = 128;
const TASKS = '/proc/self/task';
/** Of Node's own; they compute no batch. */
const HELPERS = /^(V8Worker|DelayedTask|SignalInsp)/;

/**
 * Keeps a batch's threads on cores of their own. node-llama-cpp has them made anew for every batch, Linux may put a new
 * one on its maker's core while another idles, and takes up to 20 ms to notice: long enough to make two threads slower
 * than one. So whoever shares a core is moved.
 */
export class ThreadSpreader {
  /** Threads that live on. */
  private known: ReadonlySet<string> = new Set();
  /** Open files that say where those of them are that may compute: opening them for each batch took a core too long. */
  private makers: number[] = [];
  private timer: NodeJS.Timeout | undefined;

  private constructor(
    private readonly allowed: readonly number[],
    private readonly move: (place: ThreadPlace) => void,
  ) {}

  /** undefined where threads can't be moved: elsewhere than on Linux, or where a sandbox forbids it. */
  static async open(): Promise<ThreadSpreader | undefined> {
    if (process.platform !== 'linux') return undefined;
    try {
      const { default: koffi } = await import('koffi');
      const libc = koffi.load(null);
      const bind = (name: string) => libc.func(name, 'int', ['int', 'size_t', 'void *']);
      const [get, set] = [bind('sched_getaffinity'), bind('sched_setaffinity')];
      const mask = Buffer.alloc(SET_BYTES);
      if (get(0, SET_BYTES, mask) < 0 || set(0, SET_BYTES, mask) < 0) return undefined;
      const allowed = coresOf(mask);
      return allowed.length < 2
        ? undefined
        : new ThreadSpreader(allowed, (to) => set(to.thread, SET_BYTES, maskOf(to.core)));
    } catch {
      return undefined;
    }
  }

  /** To be called while no batch is under way, after a first one. */
  learn(): void {
    this.known = new Set(readdirSync(TASKS));
    // This very thread only looks; it gives its core back at once.
    const makers = [...this.known].filter((name) => name !== String(process.pid) && !HELPERS.test(nameOf(name)));
    this.makers = makers.flatMap((name) => openPlace(name) ?? []);
  }

  /** A batch is under way. Threads are looked for until they are there. */
  begin(): void {
    let looks = 0;
    const look = (): void => {
      if (!this.look() && ++looks < MOST_LOOKS) this.timer = setTimeout(look, LOOK_MS);
    };
    this.timer = setTimeout(look, LOOK_MS);
  }

  end(): void {
    clearTimeout(this.timer);
  }

  private look(): boolean {
    const fresh = readdirSync(TASKS).filter((name) => !this.known.has(name));
    const places = fresh.flatMap((name) => {
      const place = placeOf(name);
      return place ? [{ thread: Number(name), core: place.core }] : [];
    });
    if (places.length === 0) return false;
    const makers = this.makers.flatMap((file) => readPlace(file) ?? []);
    const taken = new Set(makers.filter(({ runs }) => runs).map(({ core }) => core));
    for (const place of moves(places, taken, this.allowed)) this.move(place);
    return true;
  }
}

interface Place {
  core: number;
  runs: boolean;
}

/** undefined for a thread that has ended meanwhile, as in all that follows. */
function openPlace(thread: string): number | undefined {
  try {
    return openSync(`${TASKS}/${thread}/stat`, 'r');
  } catch {
    return undefined;
  }
}

function placeOf(thread: string): Place | undefined {
  const file = openPlace(thread);
  if (file === undefined) return undefined;
  const place = readPlace(file);
  closeSync(file);
  return place;
}

const stat = Buffer.alloc(1024);

/** See proc_pid_stat(5): the state is field 3, the core field 39. */
function readPlace(file: number): Place | undefined {
  try {
    const text = stat.toString('latin1', 0, readSync(file, stat, 0, stat.length, 0));
    const [state, ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { core: Number(fields[35]), runs: state === 'R' };
  } catch {
    return undefined;
  }
}

function nameOf(thread: string): string {
  try {
    return readFileSync(`${TASKS}/${thread}/comm`, 'latin1');
  } catch {
    return '';
  }
}

const coresOf = (mask: Buffer): number[] =>
  Array.from({ length: SET_BYTES * 8 }, (_, core) => core).filter((core) => mask[core >> 3]! & (1 << (core & 7)));

function maskOf(core: number): Buffer {
  const mask = Buffer.alloc(SET_BYTES);
  mask[core >> 3] = 1 << (core & 7);
  return mask;
}
