const RDMA = 'no RDMA port here';
const NVLINK = "the recording is of one GPU, which has no NVLink's counters";
const NETWORK = 'no physical interface here';
const DISK = 'no device of its own below the volume here';

/** Panels that may be empty when everything of Vigil runs on a machine for tests, each with its reason. */
export const EMPTY: Readonly<Record<string, string>> = {
  'Vigil / Infrastructure: RDMA received': RDMA,
  'Vigil / Infrastructure: RDMA sent': RDMA,
  'Vigil / Infrastructure: NVLink sent': NVLINK,
  'Vigil / Infrastructure: NVLink received': NVLINK,
  'Vigil / Infrastructure: NVLink errors': NVLINK,
  'Vigil / Infrastructure: Network received': NETWORK,
  'Vigil / Infrastructure: Network sent': NETWORK,
  'Vigil / Infrastructure: Network errors': NETWORK,
  'Vigil / Infrastructure: Model volume read': DISK,
  'Vigil / Infrastructure: Model volume written': DISK,
};
