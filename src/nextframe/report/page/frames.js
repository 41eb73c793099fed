// Frames of a forecast: flat arrays of floats, missing values as NaN, and what is counted and coloured of them.

// Frames by name, as they come: nested lists (JSON, null where missing), bytes of floats, or text that holds them packed.
const PARTS = ["values", "past", "truth", "probability"];

// A forecast whose frames are lists of arrays, one for each time: channel after channel, row after row.
export async function unpacked(forecast) {
  const size = forecast.shape.slice(1).reduce((product, length) => product * length);
  const cut = async (frames) => {
    const all = await floats(frames);
    return Array.from({ length: all.length / size }, (_, n) => all.subarray(n * size, (n + 1) * size));
  };
  const opened = { ...forecast, beside: [] }, { beside = [] } = forecast;
  for (const name of PARTS) if (forecast[name]) opened[name] = await cut(forecast[name]);
  for (const [name, frames] of Array.isArray(beside) ? beside : Object.entries(beside)) opened.beside.push([name, await cut(frames)]);
  return opened;
}

async function floats(frames) {
  if (ArrayBuffer.isView(frames)) return new Float32Array(frames.buffer.slice(frames.byteOffset, frames.byteOffset + frames.byteLength));
  if (typeof frames !== "string") return Float32Array.from(frames.flat(3), (value) => value ?? NaN);
  // Deflated; the first bytes of all floats stand before their second ones, which packs better.
  const stream = new Blob([bytes(frames)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const number = planes.length / 4, joined = new Uint8Array(planes.length);
  for (let n = 0; n < number; n++) for (let byte = 0; byte < 4; byte++) joined[4 * n + byte] = planes[byte * number + n];
  return new Float32Array(joined.buffer);
}

export const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

export const minus = (forecast, truth) => forecast.map((value, n) => value - truth[n]);

// Critical success index of each lead time, hits over hits, misses and false alarms, of the first so many values of each
// frame; null where there is no event.
export function csi(forecast, truth, threshold, size) {
  return forecast.map((frame, lead) => {
    const seen = truth[lead];
    let hits = 0, wrong = 0;
    for (let n = 0; n < size; n++) {
      if (Number.isNaN(frame[n]) || Number.isNaN(seen[n])) continue;
      const said = frame[n] >= threshold, came = seen[n] >= threshold;
      if (said && came) hits++; else if (said || came) wrong++;
    }
    return hits + wrong ? hits / (hits + wrong) : null;
  });
}

// Place of a value in a scale's table of colours: its class, or its share of the way from the lowest to the highest.
export function placing({ low, high, power, levels }) {
  if (levels) return (value) => { let n = 0; while (n < levels.length && value >= levels[n]) n++; return n; };
  const range = high - low;
  return (value) => {
    const share = Math.min(Math.max((value - low) / range, 0), 1);
    return Math.min(Math.floor((power === 1 ? share : share ** power) * 256), 255);
  };
}

export function number(value) {
  return value === null || !Number.isFinite(value) ? "missing" : Number(value.toPrecision(4)).toString();
}
