import { expect, it } from 'vitest';
import { isPrefixOf, pagesOf } from '../../../src/discovery/name.js';

it.each([
  ['example.com', ['example.com']],
  ['example.com/a/b', ['example.com/a/b', 'example.com/a', 'example.com']],
  ['127.0.0.1/a', ['127.0.0.1/a', '127.0.0.1']],
  ['localhost/~me', ['localhost/~me', 'localhost']],
])('the pages of %s are %j', (name, pages) => {
  expect(pagesOf(name)).toEqual(pages);
});

it.each([
  ['example.com//a', 'ERR_USAGE'],
  ['example.com/../a', 'ERR_USAGE'],
  ['example.com/./a', 'ERR_USAGE'],
  ['0177.0.0.1/a', 'ERR_USAGE'],
  ['127.1/a', 'ERR_USAGE'],
  ['1/a', 'ERR_USAGE'],
  ['a..b/..', 'ERR_USAGE'],
  [`h${'/a'.repeat(32)}`, 'ERR_LIMIT'],
])('%.30s has none: %s', (name, code) => {
  expect(() => pagesOf(name)).toThrow(expect.objectContaining({ code }));
});

it.each([
  ['example.com', 'example.com', true],
  ['example.com', 'example.com/app', true],
  ['example.com/', 'example.com/app', true],
  ['example.com/app', 'example.com/app/x', true],
  ['example.com/ap', 'example.com/app', false],
  ['example.co', 'example.com', false],
  ['example.com/app/x', 'example.com/app', false],
  ['example.com/app/', 'example.com/app', false],
  ['other.test', 'example.com', false],
  ['', 'example.com', false],
  ['/', 'example.com', false],
])('the prefix %j is for %s: %s', (prefix, name, expected) => {
  expect(isPrefixOf(prefix, name)).toBe(expected);
});
