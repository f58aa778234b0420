/** Options of rsync for every way in which lists and fields are told differently. */
export const LIST_WAYS: readonly string[] = [
  "--protocol=32",
  "--protocol=32 --no-inc-recursive",
  "--protocol=31",
  "--protocol=31 --no-inc-recursive",
  "--protocol=30",
  "--protocol=30 --no-inc-recursive",
];
