/**
 * Writes the AssemblyScript source of the SHA-512 kernel (FIPS 180-4, sections 4.1.3, 4.2.3, 5.3.5 and 6.4.2): the
 * 80 rounds unrolled, the message schedule computed two words at a time between them. wasm/README.md has the
 * measurements behind the shape of the code.
 */

/** Of the message, in the memory of the kernel. Stays in the processor's first cache with all else. */
const INPUT_BYTES = 64 * 1024;
const BLOCK_BYTES = 128;
const WORD_BYTES = 8;
const VECTOR_BYTES = 16;
const ROUNDS = 80;
const VARIABLES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/** @returns {string} */
export function sha512Source() {
  const roundConstants = primes(ROUNDS).map((prime) => hexLiteral(rootFraction(prime, 3n)));
  const initialState = primes(VARIABLES.length).map((prime) => hexLiteral(rootFraction(prime, 2n)));
  return [
    `const K: usize = memory.data<u64>([${roundConstants.join(', ')}], ${VECTOR_BYTES});`,
    '// The next 16 words of the schedule, each with the constant of its round added.',
    `const WK: usize = memory.data(${BLOCK_BYTES}, ${VECTOR_BYTES});`,
    `export const state: usize = memory.data(${VARIABLES.length * WORD_BYTES}, ${VECTOR_BYTES});`,
    `export const input: usize = memory.data(${INPUT_BYTES}, ${VECTOR_BYTES});`,
    `export const inputBytes: i32 = ${INPUT_BYTES};`,
    '',
    'export function reset(): void {',
    ...initialState.map((word, index) => `  store<u64>(state, ${word}, ${index * WORD_BYTES});`),
    '}',
    '',
    'export function compress(blocks: i32): void {',
    ...VARIABLES.map((name, index) => `  let ${name} = load<u64>(state, ${index * WORD_BYTES});`),
    '  let ab: u64, bc: u64, s: v128;',
    '  let at = input;',
    `  const end = input + <usize>blocks * ${BLOCK_BYTES};`,
    '  while (at < end) {',
    ...blockLines().map((line) => `    ${line}`),
    `    at += ${BLOCK_BYTES};`,
    '  }',
    '}',
    '',
  ].join('\n');
}

function blockLines() {
  const lines = [];
  for (let vector = 0; vector < 8; vector++) lines.push(...loadLines(vector));
  lines.push('bc = b ^ c;');
  for (let round = 0; round < ROUNDS; round += 2) {
    lines.push(...roundLines(round), ...roundLines(round + 1));
    if (round + 16 < ROUNDS) lines.push(...scheduleLines(round / 2 + 8));
  }
  for (const [index, name] of VARIABLES.entries()) {
    lines.push(`${name} += load<u64>(state, ${index * WORD_BYTES});`);
    lines.push(`store<u64>(state, ${name}, ${index * WORD_BYTES});`);
  }
  return lines;
}

/** Two words of the message, which are big endian. */
function loadLines(vector) {
  const bytes = `v128.load(at, ${vector * VECTOR_BYTES})`;
  const order = '7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8';
  return [`let w${vector} = v128.shuffle<u8>(${bytes}, ${bytes}, ${order});`, stageLine(vector)];
}

/** Words 2 * vector and 2 * vector + 1 of the schedule, of the 16 words before them. */
function scheduleLines(vector) {
  const w = (distance) => `w${(vector - distance) % 8}`;
  const xor = (...terms) => terms.reduce((sum, term) => `v128.xor(${sum}, ${term})`);
  const right = (bits) => `v128.shr<u64>(s, ${bits})`;
  // As two shifts: of a shuffle by bytes V8 would build the pattern anew each time.
  const rotated = (bits) => [right(bits), `v128.shl<u64>(s, ${64 - bits})`];
  const across = (low, high) => `v128.shuffle<u64>(${low}, ${high}, 1, 2)`;
  const add = (term) => `${w(8)} = v128.add<u64>(${w(8)}, ${term});`;
  return [
    `s = ${across(w(8), w(7))};`,
    add(across(w(4), w(3))),
    add(xor(...rotated(1), ...rotated(8), right(7))),
    `s = ${w(1)};`,
    add(xor(...rotated(19), ...rotated(61), right(6))),
    stageLine(vector),
  ];
}

function stageLine(vector) {
  const constants = `v128.load(K, ${vector * VECTOR_BYTES})`;
  return `v128.store(WK, v128.add<u64>(w${vector % 8}, ${constants}), ${(vector % 8) * VECTOR_BYTES});`;
}

/** Instead of moving the eight variables on by one place, each round gives them the names of the next. */
function roundLines(round) {
  // c is only there in bc.
  const [a, b, , d, e, f, g, h] = VARIABLES.map((_, index) => VARIABLES[(index + 80 - round) % 8]);
  const rotations = (name, ...bits) => bits.map((count) => `rotr<u64>(${name}, ${count})`).join(' ^ ');
  // One addition a statement: V8 then keeps fewer values in registers at a time.
  return [
    `${h} += load<u64>(WK, ${(round % 16) * WORD_BYTES});`,
    `${h} += ${g} ^ (${e} & (${f} ^ ${g}));`,
    `${h} += ${rotations(e, 14, 18, 41)};`,
    `${d} += ${h};`,
    // The majority of a, b and c; what is a ^ b here is b ^ c in the next round.
    `ab = ${a} ^ ${b};`,
    `${h} += ${b} ^ (ab & bc);`,
    `${h} += ${rotations(a, 28, 34, 39)};`,
    'bc = ab;',
  ];
}

function primes(count) {
  const found = [];
  for (let candidate = 2; found.length < count; candidate++) {
    if (found.every((prime) => candidate % prime !== 0)) found.push(candidate);
  }
  return found;
}

/** The first 64 bits after the point of the root of `value`. */
function rootFraction(value, degree) {
  const scaled = BigInt(value) << (64n * degree);
  let root = 0n;
  for (let bit = 1n << 72n; bit > 0n; bit >>= 1n) if ((root + bit) ** degree <= scaled) root += bit;
  return BigInt.asUintN(64, root);
}

function hexLiteral(value) {
  return `0x${value.toString(16).padStart(16, '0')}`;
}
