import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/random.ts'
import { type SniffedHttp, sniffHttp } from './sniff-http.ts'

const cases: readonly (readonly [text: string, answer: SniffedHttp, why: string])[] = [
  ['GET / HTTP/1.1\r\n', 'http/1.1', 'a whole request line'],
  ['GET / HTTP/1.0\r\nHost: x', 'http/1.0', 'what follows does not matter'],
  ['M-SEARCH * HTTP/1.1\n', 'http/1.1', 'any token is a method, a bare line feed ends the line'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'h2c', 'the preface of HTTP/2'],
  ['PRI * HTTP/2.0\r\n', 'incomplete', 'half a preface'],
  ['PRI /x HTTP/1.1\r\n', 'http/1.1', 'a method that begins like the preface'],
  ['GET', 'incomplete', 'half a method'],
  ['GET /long/path', 'incomplete', 'half a line'],
  ['GET / HTTP/3.0\r\n', 'none', 'no version that is spoken here'],
  ['220 ready\r\n', 'none', 'a line that is no request'],
  ['\x00\x01\x02', 'none', 'binary is decided by its first octet'],
  ['EHLO mail\r\n', 'none', 'another protocol of lines'],
  [`GET /${'a'.repeat(9000)}`, 'none', 'no line is waited for without end'],
]

for (const [text, answer, why] of cases) {
  test(`${JSON.stringify(text.slice(0, 30))} is ${answer}: ${why}`, () => assert.equal(sniffHttp(Buffer.from(text, 'latin1')), answer))
}

test('once it has answered, further octets change nothing', () => {
  const random = seededRandom(7)
  for (const [text] of cases) {
    const whole = Buffer.from(`${text}${'x'.repeat(Math.floor(random() * 40))}`, 'latin1')
    let settled: SniffedHttp = 'incomplete'
    for (let length = 1; length <= whole.length; length++) {
      const answer = sniffHttp(whole.subarray(0, length))
      if (settled === 'incomplete') settled = answer
      else assert.equal(answer, settled, `${JSON.stringify(text)} at ${length}`)
    }
  }
})
