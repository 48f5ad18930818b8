// Echogarden as a long-lived process, without the network: JSON lines in, JSON lines out.
//
//   node echogarden.mjs PATH/TO/echogarden/dist/api/API.js
//
// In: {"samples": file of 16 kHz float32, "text": ...}; out: [[start, end], ...] of the words, in
// seconds, or null. It logs to stderr.

import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

globalThis.fetch = async () => { throw new Error('A benchmark does not download.') }
const { align } = await import(pathToFileURL(process.argv[2]))

async function words({ samples, text }) {
  const bytes = readFileSync(samples)
  const channel = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  const audio = { audioChannels: [channel], sampleRate: 16000 }
  const found = await align(audio, text, { engine: 'dtw', language: 'en' })
  return found.wordTimeline.map((word) => [word.startTime, word.endTime])
}

for await (const line of createInterface({ input: process.stdin })) {
  const found = await words(JSON.parse(line)).catch((error) => { console.error(error); return null })
  process.stdout.write(JSON.stringify(found) + '\n')
}
