import { expect, test } from 'vitest'
import { tellingRequests } from '../../../harness/words/request-words.js'
import type { LoggedRequest } from '../../../machine/network/lan/services/request-log.js'

test('the last requests are told, and before them those that got nothing', () => {
  const results = [
    '404, 9 bytes',
    '200, 4041 bytes',
    'no such name',
    'not found',
    '500, 0 bytes',
    ...Array(8).fill('200, 1 bytes'),
  ]
  const requests = results.map((result, i): LoggedRequest => {
    return {
      number: i + 1,
      time: i,
      protocol: i === 5 ? 'refused' : 'http',
      from: '10.0.2.15',
      what: `GET /${i}`,
      result,
    }
  })
  const numbers = (count: number) => tellingRequests(requests, count).map(({ number }) => number)
  expect(numbers(4)).toEqual([3, 4, 5, 6, 10, 11, 12, 13])
  expect(numbers(10)).toEqual([1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
  expect(numbers(20)).toEqual(requests.map(({ number }) => number))
  expect(tellingRequests([], 4)).toEqual([])
})
