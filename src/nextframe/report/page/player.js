// Player of a forecast: past, forecast, baselines, truth, error and probability on one slider, the last frame seen
// beside them by a wipe, the value under the pointer, events by lead time. No library, no network. A forecast is what
// the service answers as JSON.

// Cividis, which people see alike however they see colours (Nunez et al. 2018), at nine places; errors from blue, too
// low, over white to orange, too high.
const CIVIDIS = [[0, 32, 76], [0, 48, 110], [59, 73, 107], [87, 93, 109], [112, 113, 115], [138, 134, 120],
  [166, 157, 117], [195, 181, 105], [255, 233, 69]];
const ERRORS = [[5, 76, 140], [96, 158, 208], [247, 247, 247], [240, 158, 72], [166, 74, 0]];
const LINES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"], DASHES = ["", "6 4", "2 3", "8 3 2 3"];
const MISSING = [119, 119, 119];

export function colour(share, colours = CIVIDIS) {
  const place = Math.min(Math.max(share, 0), 1) * (colours.length - 1);
  const low = Math.min(Math.floor(place), colours.length - 2);
  return colours[low].map((value, n) => Math.round(value + (colours[low + 1][n] - value) * (place - low)));
}

const table = (colours) => Array.from({ length: 256 }, (_, n) => colour(n / 255, colours));
const TABLES = { value: table(CIVIDIS), error: table(ERRORS) };

export function range(frames) {
  let low = Infinity, high = -Infinity;
  for (const frame of frames) for (const channel of frame) for (const row of channel) for (const value of row) {
    if (value === null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low < high ? [low, high] : [low - 0.5 || 0, (low || 0) + 0.5];
}

// Critical success index of each lead time: hits over hits, misses and false alarms; null where there is no event.
export function csi(forecast, truth, threshold) {
  return forecast.map((frame, lead) => {
    let hits = 0, wrong = 0;
    frame.forEach((channel, c) => channel.forEach((row, r) => row.forEach((value, n) => {
      const seen = truth[lead][c][r][n];
      if (value === null || seen === null) return;
      const said = value >= threshold, came = seen >= threshold;
      if (said && came) hits++; else if (said || came) wrong++;
    })));
    return hits + wrong ? hits / (hits + wrong) : null;
  });
}

const minus = (forecast, truth) => forecast.map((frame, k) => frame.map((channel, c) => channel.map((row, r) =>
  row.map((value, n) => value === null || truth[k][c][r][n] === null ? null : value - truth[k][c][r][n]))));

let players = 0;

export class Player {
  constructor(home, forecast) {
    this.home = home;
    this.hidden = new Set(["error"]);
    this.number_ = ++players;
    home.classList.add("player");
    home.innerHTML = `
      <div class="row"><strong class="name"></strong> <span class="when"></span></div>
      <div class="panels"></div>
      <div class="row">
        <button type="button" class="play" aria-pressed="false">Play</button>
        <input type="range" class="frame" aria-label="Frame" min="0" step="1">
        <output class="value" aria-live="off"></output>
      </div>
      <div class="row">
        <label>Wipe to the last frame seen <input type="range" class="wipe" min="0" max="100" value="0"></label>
        <label>Threshold <input type="number" class="threshold" step="any"></label>
        <label class="check"><input type="checkbox" class="mask"> Only values from the threshold</label>
      </div>
      <div class="row"><span class="low"></span><canvas class="bar" width="256" height="1" aria-hidden="true"></canvas><span class="high"></span></div>
      <fieldset class="shown" hidden><legend>Beside the forecast</legend></fieldset>
      <p class="note"></p>
      <figure class="events" hidden></figure>`;
    this.part = (name) => home.querySelector(name);
    for (const name of [".frame", ".wipe", ".mask"]) this.part(name).addEventListener("input", () => this.draw());
    this.part(".threshold").addEventListener("input", () => { this.draw(); this.curve(); });
    this.part(".threshold").addEventListener("change", () => home.dispatchEvent(new CustomEvent("threshold", { detail: this.threshold })));
    this.part(".play").addEventListener("click", () => this.play());
    this.show(forecast);
  }

  show(forecast) {
    const before = this.forecast;
    this.forecast = forecast;
    this.past = forecast.past || [];
    this.frames = [...this.past, ...forecast.values];
    [this.low, this.high] = range([...this.frames, ...(forecast.truth || [])]);
    const [, channels, height, width] = forecast.shape;
    Object.assign(this, { channels, height, width });
    const slider = this.part(".frame");
    slider.max = this.frames.length - 1;
    if (!before || before.init_time !== forecast.init_time || before.shape[0] !== forecast.shape[0]) slider.value = this.past.length;
    this.unit = forecast.units[0] === "1" ? "" : ` ${forecast.units[0]}`;
    this.part(".low").textContent = this.number(this.low) + this.unit;
    this.part(".high").textContent = this.number(this.high) + this.unit;
    this.part(".name").textContent = `${forecast.forecaster}: ${forecast.variables.join(", ")}`;
    if (forecast.threshold !== undefined) this.part(".threshold").value = forecast.threshold;
    this.part(".note").textContent = (forecast.notes || []).join(" ");
    const bar = this.part(".bar").getContext("2d"), colours = bar.createImageData(256, 1);
    TABLES.value.forEach((each, n) => colours.data.set([...each, 255], 4 * n));
    bar.putImageData(colours, 0, 0);
    this.arrange();
    this.curve();
    this.draw();
  }

  // What is shown beside each other: name, frames by lead time, colours and their range.
  kinds() {
    const { forecast, low, high } = this, kinds = [{ name: forecast.forecaster, values: forecast.values, low, high, main: true }];
    for (const [name, values] of Object.entries(forecast.beside || {})) kinds.push({ name, values, low, high });
    if (forecast.truth) {
      kinds.push({ name: "truth", values: forecast.truth, low, high });
      const values = minus(forecast.values, forecast.truth), most = Math.max(...range(values).map(Math.abs)) || 1;
      kinds.push({ name: "error", values, low: -most, high: most, colours: "error" });
    }
    if (forecast.probability) kinds.push({ name: "probability", values: forecast.probability, low: 0, high: 1, share: true });
    return kinds;
  }

  arrange() {
    const all = this.kinds(), shown = this.part(".shown");
    shown.hidden = all.length < 2;
    shown.replaceChildren(shown.firstElementChild, ...all.slice(1).map(({ name }) => {
      const label = document.createElement("label"), box = document.createElement("input");
      label.className = "check";
      box.type = "checkbox";
      box.name = name;
      box.checked = !this.hidden.has(name);
      box.addEventListener("change", () => {
        if (box.checked) this.hidden.delete(name); else this.hidden.add(name);
        this.panels();
        this.draw();
      });
      label.append(box, ` ${name}`);
      return label;
    }));
    this.all = all;
    this.panels();
  }

  panels() {
    this.kindsShown = this.all.filter(({ name, main }) => main || !this.hidden.has(name));
    const focus = this.canvas && document.activeElement === this.canvas;
    this.part(".panels").replaceChildren(...this.kindsShown.map((kind) => {
      const figure = document.createElement("figure"), caption = document.createElement("figcaption");
      const canvas = kind.canvas = document.createElement("canvas");
      caption.textContent = kind.name;
      canvas.tabIndex = kind.main ? 0 : -1;
      canvas.setAttribute("role", "img");
      canvas.width = this.width;
      canvas.height = this.height;
      canvas.addEventListener("pointermove", (event) => this.point(event, canvas));
      canvas.addEventListener("pointerdown", (event) => this.point(event, canvas));
      canvas.addEventListener("keydown", (event) => this.key(event));
      figure.append(canvas, caption);
      return figure;
    }));
    this.canvas = this.kindsShown[0].canvas;
    if (focus) this.canvas.focus();
  }

  get index() { return Number(this.part(".frame").value); }

  get threshold() { const typed = this.part(".threshold").value; return typed === "" ? null : Number(typed); }

  number(value) { return value === null || !isFinite(value) ? "missing" : Number(value.toPrecision(4)).toString(); }

  when() {
    const lead = this.index - this.past.length + 1, { valid_time: valid, init_time: init } = this.forecast;
    const said = lead === 0 ? "last frame seen" : lead < 0 ? `${-lead} before the last frame seen` : `forecast, lead time ${lead}`;
    if (!valid || !init) return said;
    const time = new Date(Date.parse(init) + lead * (Date.parse(valid[0]) - Date.parse(init)));
    const utc = lead > 0 ? valid[lead - 1] : time.toISOString().replace(".000Z", "Z");
    return `${said}, valid ${utc} (here ${time.toLocaleTimeString()})`;
  }

  // The frame of a kind that stands at the slider; of the past it is the same for all, and of errors there is none.
  frame(kind) {
    const lead = this.index - this.past.length;
    if (lead >= 0) return kind.values[lead];
    return kind.share || kind.colours ? null : this.past[this.index];
  }

  paint(kind) {
    const { width, height, channels } = this, { rows_run_north: flip, columns_run_west: mirror } = this.forecast;
    const context = kind.canvas.getContext("2d"), image = context.createImageData(width, height), { data } = image;
    const frame = this.frame(kind), own = kind.share || kind.colours;
    const seen = own || !this.past.length ? frame : this.past[this.past.length - 1];
    const edge = width * Number(this.part(".wipe").value) / 100;
    const threshold = this.part(".mask").checked && !own && this.threshold !== null ? this.threshold : -Infinity;
    const colours = TABLES[kind.colours || "value"], factor = 255 / (kind.high - kind.low), bright = this.high > 1 ? 1 : 255;
    for (let y = 0; frame && y < height; y++) for (let x = 0; x < width; x++) {
      const shown = x < edge ? seen : frame, row = flip ? height - 1 - y : y, at = 4 * (y * width + x);
      const column = mirror ? width - 1 - x : x, value = shown[0][row][column];
      let painted = MISSING;
      if (channels === 3 && !own) {
        const parts = shown.map((channel) => channel[row][column]);
        if (!parts.includes(null)) painted = parts.map((part) => part * bright);
      } else if (value !== null) {
        if (value < threshold) continue;
        painted = colours[Math.min(Math.max(Math.round((value - kind.low) * factor), 0), 255)];
      }
      data[at] = painted[0]; data[at + 1] = painted[1]; data[at + 2] = painted[2]; data[at + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    kind.canvas.setAttribute("aria-label", `${kind.main ? this.part(".name").textContent : kind.name}, ${this.when()}`);
  }

  draw() {
    for (const kind of this.kindsShown) this.paint(kind);
    this.part(".when").textContent = this.when();
    this.part(".frame").setAttribute("aria-valuetext", this.when());
    this.tell();
  }

  point(event, canvas) {
    const box = canvas.getBoundingClientRect();
    const scale = Math.min(box.width / this.width, box.height / this.height);
    const column = Math.floor((event.clientX - box.left - (box.width - this.width * scale) / 2) / scale);
    const row = Math.floor((event.clientY - box.top - (box.height - this.height * scale) / 2) / scale);
    if (row < 0 || column < 0 || row >= this.height || column >= this.width) return;
    this.place = [row, column];
    this.tell();
  }

  // Latitude and longitude of a pixel's middle, between the points that the forecast tells.
  where(row, column) {
    const place = this.forecast.place;
    if (!place) return "";
    const between = (field) => {
      const y = (row + 0.5) / this.height * (field.length - 1), x = (column + 0.5) / this.width * (field[0].length - 1);
      const top = Math.min(Math.floor(y), field.length - 2), left = Math.min(Math.floor(x), field[0].length - 2);
      const along = (line) => line[left] + (line[left + 1] - line[left]) * (x - left);
      return along(field[top]) + (along(field[top + 1]) - along(field[top])) * (y - top);
    };
    const latitude = between(place.latitude), longitude = between(place.longitude);
    return `, at ${Math.abs(latitude).toFixed(2)}°${latitude < 0 ? "S" : "N"} ${Math.abs(longitude).toFixed(2)}°${longitude < 0 ? "W" : "E"}`;
  }

  tell() {
    if (!this.place) return;
    const [row, column] = this.place, { rows_run_north: flip, columns_run_west: mirror } = this.forecast;
    const at = flip ? this.height - 1 - row : row, along = mirror ? this.width - 1 - column : column;
    const told = this.kindsShown.map((kind) => {
      const frame = this.frame(kind);
      if (!frame) return null;
      const values = frame.map((channel) => this.number(channel[at]?.[along] ?? null)).join(", ");
      return `${kind.main ? "" : `${kind.name} `}${values}${kind.share ? "" : this.unit}`;
    });
    this.part(".value").textContent = `row ${at}, column ${along}: ${told.filter((each) => each !== null).join("; ")}${this.where(row, column)}`;
  }

  // CSI by lead time of all that forecast, where the truth is known; as a picture and as a table.
  curve() {
    const { forecast, threshold } = this, home = this.part(".events");
    home.hidden = !forecast.truth || threshold === null;
    if (home.hidden) return;
    const rows = this.all.filter(({ main, name }) => main || (forecast.beside || {})[name])
      .map(({ name, values }) => [name, csi(values, forecast.truth, threshold)]);
    const leads = forecast.lead_times, x = (k) => 40 + (leads > 1 ? k / (leads - 1) : 0.5) * 380, y = (value) => 150 - 140 * value;
    const text = (value) => value === null ? "no event" : value.toFixed(2);
    const lines = rows.map(([, values], n) => values.map((value, k) => value === null ? "" :
      `<circle cx="${x(k)}" cy="${y(value)}" r="3" fill="${LINES[n % 4]}"/>${k && values[k - 1] !== null ? `<line x1="${x(k - 1)}" y1="${y(values[k - 1])}" x2="${x(k)}" y2="${y(value)}" stroke="${LINES[n % 4]}" stroke-width="2" stroke-dasharray="${DASHES[n % 4]}"/>` : ""}`).join("")).join("");
    const marks = [0, 0.5, 1].map((v) => `<text x="32" y="${y(v) + 4}" text-anchor="end">${v}</text><line class="grid" x1="40" x2="420" y1="${y(v)}" y2="${y(v)}"/>`).join("");
    const below = Array.from({ length: leads }, (_, k) => leads > 16 && k % Math.ceil(leads / 12) ? "" : `<text x="${x(k)}" y="168" text-anchor="middle">${k + 1}</text>`).join("");
    home.innerHTML = `<figcaption></figcaption><svg viewBox="0 0 430 175" role="img" aria-labelledby="events-${this.number_}">${marks}${below}${lines}</svg><table><thead><tr><th scope="col">lead time</th></tr></thead><tbody></tbody></table>`;
    home.querySelector("figcaption").textContent = `CSI by lead time, of values from ${this.number(threshold)}${this.unit} (1 is best)`;
    home.querySelector("figcaption").id = `events-${this.number_}`;
    const head = home.querySelector("thead tr");
    for (let k = 1; k <= leads; k++) head.append(Object.assign(document.createElement("th"), { textContent: k, scope: "col" }));
    home.querySelector("tbody").append(...rows.map(([name, values], n) => {
      const row = document.createElement("tr"), first = Object.assign(document.createElement("th"), { scope: "row" });
      first.innerHTML = `<svg class="key" viewBox="0 0 24 8" aria-hidden="true"><line x1="0" x2="24" y1="4" y2="4" stroke="${LINES[n % 4]}" stroke-width="3" stroke-dasharray="${DASHES[n % 4]}"/></svg> `;
      first.append(name);
      row.append(first, ...values.map((value) => Object.assign(document.createElement("td"), { textContent: text(value) })));
      return row;
    }));
  }

  step(by) {
    const slider = this.part(".frame");
    slider.value = (this.index + by + this.frames.length) % this.frames.length;
    this.draw();
  }

  key(event) {
    const steps = { ArrowRight: () => this.step(1), ArrowLeft: () => this.step(-1), " ": () => this.play(),
      Home: () => this.step(-this.index), End: () => this.step(this.frames.length - 1 - this.index) };
    if (event.key in steps) { steps[event.key](); event.preventDefault(); }
  }

  play() {
    const button = this.part(".play");
    if (this.timer) { clearInterval(this.timer); this.timer = null; } else this.timer = setInterval(() => this.step(1), 250);
    button.setAttribute("aria-pressed", String(Boolean(this.timer)));
    button.textContent = this.timer ? "Pause" : "Play";
  }
}
