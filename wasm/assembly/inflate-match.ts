/** Repeats what came out before: the matches of deflate data, in vectors of 16 bytes. */

/** Of 16 bytes, the first 1 to 15 again and again. */
const patterns: usize = memory.data(256, 16);
for (let distance: usize = 1; distance < 16; distance++) {
  for (let at: usize = 0; at < 16; at++) store<u8>(patterns + (distance << 4) + at, <u8>(at % distance));
}

/** May write up to 15 bytes more. */
export function copyMatch(to: usize, distance: usize, length: usize): void {
  const end = to + length;
  let from = to - distance;
  if (distance >= 16) {
    do {
      v128.store(to, v128.load(from));
      to += 16;
      from += 16;
    } while (to < end);
  } else {
    const pattern = v128.swizzle(v128.load(from), v128.load(patterns + (distance << 4)));
    // Whole patterns at a time.
    const step: usize = 16 - (<usize>16 % distance);
    do {
      v128.store(to, pattern);
      to += step;
    } while (to < end);
  }
}
