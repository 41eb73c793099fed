// Forecasts by step graphs in the page. Whatever it needs stands beside it, in browser/, as `python -m lab browser`
// has written it.
const home = new URL("browser/", import.meta.url);
const place = document.getElementById("model-in-page");
const [status, form] = [place.querySelector("[role=status]"), place.querySelector("form")];
const [canvas, shown, hint] = ["canvas", "output", ".hint"].map((found) => form.querySelector(found));
const { model: choice, frame: slider, play, clear, example, forecast: button } = form.elements;
const LEAD_TIMES = 20, PAUSE = 250; // frames; milliseconds that each is shown
const HINTS = {
  squares: "Draw with the mouse or a finger where a square goes; once for each square.",
  digits: "Draw a digit with the mouse or a finger, in one stroke or several; it comes from the middle.",
};

export let ready = false;
export let movie = []; // the past, then forecasts: arrays of height x width values from 0 to 1
let ort, model, facts, graphs, past, height, width;
let busy = false, timer = null, drawn = 0, turn = 0, speed = null; // pixels a frame of what is drawn: x, y

const say = (text) => { status.textContent = text; };
const blank = () => new Float32Array(height * width);
const read = async (name) => {
  const answer = await fetch(new URL(name, home));
  if (!answer.ok) throw new Error(`${name} is not there`);
  return answer;
};

function show(n) {
  slider.max = movie.length - 1;
  slider.value = n;
  shown.textContent = n < past ? `past, ${n + 1} of ${past}` : `forecast, lead time ${n - past + 1}`;
  canvas.setAttribute("aria-label", `The movie: ${shown.textContent}`);
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  movie[n].forEach((value, i) => {
    const grey = 255 * Math.min(Math.max(value, 0), 1);
    // What is forecast is of another colour.
    image.data.set(n < past ? [grey, grey, grey, 255] : [grey, 0.75 * grey, 0.2 * grey, 255], 4 * i);
  });
  context.putImageData(image, 0, 0);
}

function stop() {
  clearInterval(timer);
  timer = null;
  play.textContent = "Play";
  play.setAttribute("aria-pressed", "false");
}

function start() {
  stop();
  play.textContent = "Pause";
  play.setAttribute("aria-pressed", "true");
  timer = setInterval(() => show((Number(slider.value) + 1) % movie.length), PAUSE);
}

function empty() {
  stop();
  drawn = 0;
  speed = null;
  movie = Array.from({ length: past }, blank);
  show(past - 1);
}

async function open(n) {
  busy = true;
  form.inert = true;
  try {
    const chosen = ready_made.models[n];
    say(`Loading ${chosen.title} ...`);
    facts = await (await read(chosen.description)).json();
    graphs = {};
    for (const [part, file] of Object.entries(facts.files)) {
      graphs[part] = await ort.InferenceSession.create(await (await read(file)).arrayBuffer());
    }
    model = chosen;
    ({ past, manifest: { height, width } } = facts);
    [canvas.width, canvas.height] = [width, height];
    hint.textContent = HINTS[model.draws];
    empty();
    say(`${model.title}: ${past} frames of the past, ${height} x ${width} pixels. Draw, or let it be drawn.`);
  } finally {
    busy = false;
    form.inert = false;
  }
}

// Frames of the past one after the other, then each forecast; states are zeros before the first.
export async function forecast(leadTimes = LEAD_TIMES) {
  if (busy) return;
  busy = true;
  stop();
  try {
    movie = movie.slice(0, past);
    const states = {};
    let frame = null;
    const began = performance.now();
    for (let n = 0; n < past - 1 + leadTimes; n++) {
      const part = "step" in graphs ? "step" : n < past - 1 ? "encoder" : "decoder";
      if (n < past) frame = new ort.Tensor("float32", movie[n].map((value) => value * model.high), [1, 1, height, width]);
      const feeds = { frame };
      for (const { name, channels, pixels } of facts.states[part]) {
        const shape = [1, channels, Math.ceil(height / pixels), Math.ceil(width / pixels)];
        states[name] ??= new ort.Tensor("float32", new Float32Array(shape.reduce((a, b) => a * b)), shape);
        feeds[name] = states[name];
      }
      const results = await graphs[part].run(feeds);
      for (const { name, next } of facts.states[part]) states[name] = results[next];
      if (n < past - 1) continue;
      frame = results.next_frame; // fed back as it is
      movie.push(frame.data.map((value) => value / model.high));
      show(movie.length - 1);
      say(`Lead time ${n - past + 2} of ${leadTimes}`);
      await new Promise((done) => setTimeout(done));
    }
    const each = (performance.now() - began) / (past - 1 + leadTimes);
    say(`${leadTimes} frames forecast from ${past}; ${each.toFixed(0)} ms a frame on this device.`);
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) start();
  } catch (error) {
    say(`The forecast failed: ${error.message}`);
  } finally {
    busy = false;
  }
}

export function draw_for_me() {
  if (busy) return;
  const bytes = Uint8Array.from(atob(model.movies[turn++ % model.movies.length]), (one) => one.charCodeAt(0));
  empty();
  movie = Array.from({ length: past }, (_, n) =>
    Float32Array.from(bytes.subarray(n * height * width, (n + 1) * height * width), (value) => value / 255));
  show(past - 1);
  say("A movie that no training saw. Now forecast.");
}

function pixel(event) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * height) / box.height];
}

function fill(frame, x, y, radius, value = 1) {
  for (let row = Math.max(Math.round(y - radius), 0); row < Math.min(y + radius, height); row++)
    for (let column = Math.max(Math.round(x - radius), 0); column < Math.min(x + radius, width); column++)
      frame[row * width + column] = Math.max(frame[row * width + column], value);
}

let from = null, stroke = null; // where the pointer was; pixels that it has passed

canvas.addEventListener("pointerdown", (event) => {
  if (busy) return;
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  stop();
  movie = movie.slice(0, past);
  show(past - 1);
  from = pixel(event);
  stroke = blank();
  if (model.draws === "digits") fill(stroke, ...from, 1.5);
});

canvas.addEventListener("pointermove", (event) => {
  if (from === null) return;
  const to = pixel(event), context = canvas.getContext("2d");
  context.fillStyle = "white";
  if (model.draws === "squares") {
    show(past - 1);
    for (const [x, y] of [from, to]) context.fillRect(Math.round(x) - 3, Math.round(y) - 3, 6, 6);
    return;
  }
  const steps = Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1])) || 1;
  for (let n = 1; n <= steps; n++) {
    const at = [0, 1].map((axis) => from[axis] + ((to[axis] - from[axis]) * n) / steps);
    fill(stroke, ...at, 1.5);
    context.fillRect(Math.round(at[0] - 1.5), Math.round(at[1] - 1.5), 3, 3);
  }
  from = to;
});

canvas.addEventListener("pointerup", (event) => {
  if (from === null) return;
  const to = pixel(event);
  if (model.draws === "squares") {
    speed = [0, 1].map((axis) => Math.min(Math.max(Math.round((to[axis] - from[axis]) / 4), -1), 1));
    movie.forEach((frame, n) => fill(frame, from[0] + speed[0] * n, from[1] + speed[1] * n, 3));
  } else { // it comes from the middle and is last where it was drawn; all strokes go the way of the first
    speed ??= [width, height].map((size, axis) => (to[axis] < size / 2 ? -2 : 2));
    movie.forEach((frame, n) => stroke.forEach((value, i) => {
      const [x, y] = [(i % width) - speed[0] * (past - 1 - n), Math.floor(i / width) - speed[1] * (past - 1 - n)];
      if (value && x >= 0 && y >= 0 && x < width && y < height) frame[y * width + x] = value;
    }));
  }
  from = null;
  drawn++;
  show(past - 1);
  say(`${drawn} drawn. Draw another, look at the past frame by frame, or forecast.`);
});
canvas.addEventListener("pointercancel", () => { from = null; show(past - 1); });

slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
play.addEventListener("click", () => (timer === null ? start() : stop()));
clear.addEventListener("click", () => busy || empty());
example.addEventListener("click", draw_for_me);
button.addEventListener("click", () => forecast());
choice.addEventListener("change", () => { stop(); open(choice.selectedIndex).catch((error) => say(error.message)); });
form.addEventListener("submit", (event) => event.preventDefault());

let ready_made = null;
try {
  ready_made = await (await read("ready.json")).json();
  if (ready_made.missing) throw new Error(ready_made.missing);
  say("Loading ONNX Runtime ...");
  ort = await import(new URL("ort.wasm.min.mjs", home));
  ort.env.wasm.wasmPaths = home.href;
  ort.env.wasm.numThreads = 1; // more need headers that few hosts of static pages send
  choice.replaceChildren(...ready_made.models.map(({ title }) => new Option(title)));
  form.hidden = false;
  await open(0);
  ready = true;
} catch (error) {
  form.hidden = true;
  say(`This site was built without the models in the browser: ${error.message}.`);
}
