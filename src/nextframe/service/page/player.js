// Player of a forecast: past and forecast on one slider, the last frame seen beside it by a wipe, the value under the
// pointer. No library, no network. A forecast is what the service answers as JSON.

// Cividis, which people see alike however they see colours (Nunez et al. 2018), at nine places.
const CIVIDIS = [[0, 32, 76], [0, 48, 110], [59, 73, 107], [87, 93, 109], [112, 113, 115], [138, 134, 120],
  [166, 157, 117], [195, 181, 105], [255, 233, 69]];

export function colour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (CIVIDIS.length - 1);
  const low = Math.min(Math.floor(place), CIVIDIS.length - 2);
  return CIVIDIS[low].map((value, n) => Math.round(value + (CIVIDIS[low + 1][n] - value) * (place - low)));
}

export function range(frames) {
  let low = Infinity, high = -Infinity;
  for (const frame of frames) for (const channel of frame) for (const row of channel) for (const value of row) {
    if (value === null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low < high ? [low, high] : [low - 0.5 || 0, (low || 0) + 0.5];
}

export class Player {
  constructor(home, forecast) {
    this.home = home;
    home.classList.add("player");
    home.innerHTML = `
      <div class="row"><strong class="name"></strong> <span class="when"></span></div>
      <canvas tabindex="0" role="img"></canvas>
      <div class="row">
        <button type="button" class="play" aria-pressed="false">Play</button>
        <input type="range" class="frame" aria-label="Frame" min="0" step="1">
        <output class="value" aria-live="off"></output>
      </div>
      <div class="row">
        <label>Wipe to the last frame seen <input type="range" class="wipe" min="0" max="100" value="0"></label>
        <label>Only values from <input type="number" class="threshold" step="any"></label>
        <span class="low"></span><canvas class="bar" width="256" height="1" aria-hidden="true"></canvas><span class="high"></span>
      </div>`;
    this.part = (name) => home.querySelector(name);
    this.canvas = this.part("canvas");
    this.part(".frame").addEventListener("input", () => this.draw());
    this.part(".wipe").addEventListener("input", () => this.draw());
    this.part(".threshold").addEventListener("input", () => this.draw());
    this.part(".play").addEventListener("click", () => this.play());
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerdown", (event) => this.point(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.show(forecast);
  }

  show(forecast) {
    this.forecast = forecast;
    this.past = forecast.past || [];
    this.frames = [...this.past, ...forecast.values];
    [this.low, this.high] = range(this.frames);
    const [, channels, height, width] = forecast.shape;
    Object.assign(this, { channels, height, width });
    this.canvas.width = width;
    this.canvas.height = height;
    const slider = this.part(".frame");
    slider.max = this.frames.length - 1;
    slider.value = this.past.length;
    const unit = forecast.units[0] === "1" ? "" : ` ${forecast.units[0]}`;
    this.unit = unit;
    this.part(".low").textContent = this.number(this.low) + unit;
    this.part(".high").textContent = this.number(this.high) + unit;
    this.part(".name").textContent = `${forecast.forecaster}: ${forecast.variables.join(", ")}`;
    const bar = this.part(".bar").getContext("2d");
    const colours = bar.createImageData(256, 1);
    for (let n = 0; n < 256; n++) colours.data.set([...colour(n / 255), 255], 4 * n);
    bar.putImageData(colours, 0, 0);
    this.draw();
  }

  get index() { return Number(this.part(".frame").value); }

  number(value) { return value === null || !isFinite(value) ? "missing" : Number(value.toPrecision(4)).toString(); }

  when() {
    const lead = this.index - this.past.length + 1;
    if (lead <= 0) return lead === 0 ? "last frame seen" : `${-lead} before the last frame seen`;
    const valid = this.forecast.valid_time;
    if (!valid) return `forecast, lead time ${lead}`;
    const time = new Date(valid[lead - 1]);
    return `forecast, lead time ${lead}, valid ${valid[lead - 1]} (here ${time.toLocaleTimeString()})`;
  }

  pixel(frame, row, column, threshold) {
    if (this.channels === 3) {
      const parts = frame.map((channel) => channel[row][column]);
      return parts.includes(null) ? [119, 119, 119, 255] : [...parts.map((v) => v > 1 || this.high > 1 ? v : v * 255), 255];
    }
    const value = frame[0][row][column];
    if (value === null) return [119, 119, 119, 255];
    if (value < threshold) return [0, 0, 0, 0];
    return [...colour((value - this.low) / (this.high - this.low)), 255];
  }

  draw() {
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(this.width, this.height);
    const frame = this.frames[this.index];
    const seen = this.past.length ? this.past[this.past.length - 1] : frame;
    const edge = this.width * Number(this.part(".wipe").value) / 100;
    const typed = this.part(".threshold").value;
    const threshold = typed === "" ? -Infinity : Number(typed);
    for (let row = 0; row < this.height; row++) for (let column = 0; column < this.width; column++) {
      const shown = column < edge ? seen : frame;
      image.data.set(this.pixel(shown, row, column, threshold), 4 * (row * this.width + column));
    }
    context.putImageData(image, 0, 0);
    this.part(".when").textContent = this.when();
    this.canvas.setAttribute("aria-label", `${this.part(".name").textContent}, ${this.when()}`);
    this.tell();
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = Math.min(box.width / this.width, box.height / this.height);
    const column = Math.floor((event.clientX - box.left - (box.width - this.width * scale) / 2) / scale);
    const row = Math.floor((event.clientY - box.top - (box.height - this.height * scale) / 2) / scale);
    if (row < 0 || column < 0 || row >= this.height || column >= this.width) return;
    this.place = [row, column];
    this.tell();
  }

  tell() {
    if (!this.place) return;
    const [row, column] = this.place;
    const values = this.frames[this.index].map((channel) => this.number(channel[row]?.[column] ?? null));
    this.part(".value").textContent = `row ${row}, column ${column}: ${values.join(", ")}${this.unit}`;
  }

  step(by) {
    const slider = this.part(".frame");
    slider.value = (this.index + by + this.frames.length) % this.frames.length;
    this.draw();
  }

  key(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1 };
    if (event.key in steps) { this.step(steps[event.key]); event.preventDefault(); }
    if (event.key === " ") { this.play(); event.preventDefault(); }
  }

  play() {
    const button = this.part(".play");
    if (this.timer) { clearInterval(this.timer); this.timer = null; } else this.timer = setInterval(() => this.step(1), 250);
    button.setAttribute("aria-pressed", String(Boolean(this.timer)));
    button.textContent = this.timer ? "Pause" : "Play";
  }
}
