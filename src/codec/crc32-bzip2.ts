/** The checksum of bzip2: CRC-32 with the polynomial 0x04c11db7, most significant bit first. */

const POLYNOMIAL = 0x04c11db7;

/** Four bytes a step: table `n` is for a byte with `n` bytes after it. */
const TABLES = makeTables();

function makeTables(): readonly [Int32Array, Int32Array, Int32Array, Int32Array] {
  const [first, second, third, fourth] = [0, 0, 0, 0].map(() => new Int32Array(256)) as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc < 0 ? POLYNOMIAL : 0);
    first[byte] = crc;
  }
  const shifted = (crc: number): number => (crc << 8) ^ (first[crc >>> 24] as number);
  for (let byte = 0; byte < 256; byte++) {
    second[byte] = shifted(first[byte] as number);
    third[byte] = shifted(second[byte] as number);
    fourth[byte] = shifted(third[byte] as number);
  }
  return [first, second, third, fourth];
}

/** Begin with -1; the checksum is the complement of the result. */
export function updateCrc(crc: number, bytes: Uint8Array, length: number): number {
  const [t0, t1, t2, t3] = TABLES;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    crc ^=
      ((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number);
    crc =
      (t3[crc >>> 24] as number) ^
      (t2[(crc >>> 16) & 255] as number) ^
      (t1[(crc >>> 8) & 255] as number) ^
      (t0[crc & 255] as number);
  }
  for (; at < length; at++) crc = (crc << 8) ^ (t0[(crc >>> 24) ^ (bytes[at] as number)] as number);
  return crc;
}
