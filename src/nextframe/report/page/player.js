// Player of a forecast: past, forecasts, truth, errors and probability on one slider, the last frame seen beside them by a
// wipe, the value under the pointer, events by lead time. No library, no network. What it takes is what
// nextframe.report.player describes, unpacked.

import { bytes, minus, number, placing } from "./frames.js";
import { events, key } from "./events.js";
import { graticule, where } from "./place.js";

const STEP = 450; // milliseconds of a frame that is played
const LINES = 400; // pixels along the longer side of the lines over a picture

export class Player {
  constructor(home, forecast, { play = false } = {}) {
    this.home = home;
    this.hidden = new Set();
    home.classList.add("player");
    home.innerHTML = `
      <div class="row"><strong class="name"></strong> <span class="when"></span></div>
      <div class="panels"></div>
      <div class="row">
        <button type="button" class="play" aria-pressed="false">Play</button>
        <input type="range" class="frame" aria-label="Frame" min="0" step="1">
      </div>
      <output class="value" aria-live="off"></output>
      <div class="scales"></div>
      <div class="row">
        <label class="wiped">Wipe to the last frame seen <input type="range" class="wipe" min="0" max="100" value="0"></label>
        <label>Threshold<span class="unit"></span> <input type="number" class="threshold" step="any"></label>
        <label class="check"><input type="checkbox" class="mask"> Only values from the threshold</label>
        <label class="palette">Colours <select class="colours"></select></label>
      </div>
      <fieldset class="shown" hidden><legend>Beside the forecast</legend></fieldset>
      <p class="note keys">On the first picture of the forecast: arrow keys step, with Shift they move the point whose values are read, space plays.</p>
      <p class="note said"></p>
      <figure class="events" hidden></figure>`;
    this.part = (name) => home.querySelector(name);
    for (const name of [".frame", ".wipe", ".mask", ".colours"]) this.part(name).addEventListener("input", () => this.draw());
    this.part(".colours").addEventListener("input", () => this.bars());
    this.part(".threshold").addEventListener("input", () => { this.draw(); this.curve(); });
    this.part(".threshold").addEventListener("change", () => home.dispatchEvent(new CustomEvent("threshold", { detail: this.threshold })));
    this.part(".play").addEventListener("click", () => this.play());
    // Whoever takes hold of the slider has it, even before moving it.
    for (const touch of ["pointerdown", "keydown", "focus", "input"]) this.part(".frame").addEventListener(touch, () => this.play(false));
    this.show(forecast);
    if (play && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.play(true);
  }

  // Shows another forecast; the slider stays where it is on request, or where it is the same one with more beside it.
  show(forecast, { stay = false } = {}) {
    const before = this.forecast, [leads, channels, height, width] = forecast.shape;
    this.forecast = forecast;
    this.past = forecast.past || [];
    this.length = this.past.length + leads;
    Object.assign(this, { channels, height, width, pixels: height * width, coloured: channels === 3 });
    const slider = this.part(".frame"), index = before ? this.index : 0;
    slider.max = this.length - 1;
    const same = before && (stay || (before.init_time === forecast.init_time && before.shape[0] === leads));
    slider.value = same ? index : this.past.length;
    this.units = forecast.units.map((unit) => unit === "1" ? "" : ` ${unit}`);
    const named = forecast.variables.join(", ");
    this.part(".name").textContent = named === "frame" ? forecast.forecaster : `${forecast.forecaster}: ${named}`;
    this.part(".unit").textContent = this.units[0] && ` (${this.units[0].trim()})`;
    if (forecast.threshold !== undefined && forecast.threshold !== null) this.part(".threshold").value = forecast.threshold;
    this.part(".said").textContent = (forecast.notes || []).join(" ");
    this.part(".wiped").hidden = !this.past.length;
    const colours = this.part(".colours"), names = forecast.scale.colours.map(([name]) => name), chosen = colours.value;
    colours.replaceChildren(...names.map((name) => new Option(name, name)));
    if (names.includes(chosen)) colours.value = chosen;
    this.part(".palette").hidden = names.length < 2 || this.coloured;
    this.place = null;
    this.part(".value").textContent = "Point at a picture to read its values.";
    this.arrange();
    this.curve();
    this.draw();
  }

  // Columns of pictures: truth, forecasters with their errors, probability.
  columns() {
    const { forecast: { forecaster, values, beside, truth, probability, scale, errors, chances } } = this;
    const forecasts = [[forecaster, values], ...beside];
    return [
      ...(truth ? [[{ name: "truth", switch: "truth", frames: truth, scale }]] : []),
      ...forecasts.map(([name, frames], n) => [
        { name, switch: n ? name : null, frames, scale, curve: n },
        ...(truth ? [{ name: `error of ${name}`, switch: "error", frames: frames.map((frame, k) => minus(frame, truth[k])), scale: errors, ahead: true }] : []),
      ]),
      ...(probability ? [[{ name: "probability", switch: "probability", frames: probability, scale: chances, ahead: true, share: true }]] : []),
    ];
  }

  arrange() {
    this.all = this.columns();
    const switches = [...new Set(this.all.flat().map((kind) => kind.switch).filter((name) => name !== null))];
    const shown = this.part(".shown");
    shown.hidden = !switches.length;
    shown.replaceChildren(shown.firstElementChild, ...switches.map((name) => {
      const label = document.createElement("label"), box = document.createElement("input");
      label.className = "check";
      Object.assign(box, { type: "checkbox", name, checked: !this.hidden.has(name) });
      box.addEventListener("change", () => {
        if (box.checked) this.hidden.delete(name); else this.hidden.add(name);
        this.panels();
        this.draw();
      });
      label.append(box, ` ${name}`);
      return label;
    }));
    const { place } = this.forecast;
    this.lines = null;
    if (place) {
      const scale = LINES / Math.max(this.width, this.height);
      this.lines = Object.assign(document.createElement("canvas"), { width: Math.round(this.width * scale), height: Math.round(this.height * scale) });
      graticule(this.lines, place);
    }
    this.panels();
  }

  panels() {
    const focus = this.canvas && document.activeElement === this.canvas;
    const seen = (kind) => kind.switch === null || !this.hidden.has(kind.switch);
    const columns = this.all.map((column) => seen(column[0]) ? column.filter(seen) : []).filter((column) => column.length);
    this.kinds = columns.flat();
    this.part(".panels").style.setProperty("--ratio", this.width / this.height);
    this.part(".panels").replaceChildren(...columns.map((column) => {
      const home = document.createElement("div");
      home.className = "column";
      home.append(...column.map((kind) => this.panel(kind)));
      return home;
    }));
    this.canvas = this.kinds.find((kind) => kind.switch === null).canvas;
    if (focus) this.canvas.focus();
    this.bars();
  }

  panel(kind) {
    const figure = document.createElement("figure"), main = kind.switch === null;
    figure.innerHTML = `<figcaption>${kind.curve === undefined ? "" : `${key(kind.curve)} `}</figcaption><div class="screen"><canvas></canvas><i class="point" hidden></i></div>`;
    figure.querySelector("figcaption").append(kind.name);
    kind.canvas = Object.assign(figure.querySelector("canvas"), { tabIndex: main ? 0 : -1, width: this.width, height: this.height });
    kind.point = figure.querySelector(".point");
    kind.canvas.setAttribute("role", "img");
    for (const event of ["pointermove", "pointerdown"]) kind.canvas.addEventListener(event, (moved) => this.point(moved, kind.canvas));
    if (main) kind.canvas.addEventListener("keydown", (event) => this.key(event));
    if (this.lines) {
      const lines = this.lines.cloneNode();
      lines.className = "lines";
      lines.getContext("2d").drawImage(this.lines, 0, 0);
      figure.querySelector(".screen").append(lines);
    }
    return figure;
  }

  // Colour bars of what is shown, with their ticks.
  bars() {
    const { scale, errors, chances } = this.forecast, has = (own) => this.kinds.some((kind) => kind.scale === own);
    const shown = [...(this.coloured ? [] : [scale]), ...[errors, chances].filter((own) => own && has(own))];
    this.part(".scales").replaceChildren(...shown.map((own) => {
      const home = document.createElement("div"), colours = this.table(own), number = own.levels ? own.levels.length : 256;
      home.className = "scale";
      home.innerHTML = `<b></b><canvas width="${number}" height="1" role="img"></canvas><div class="ticks"></div>`;
      home.querySelector("b").textContent = own.name + (own.unit ? ` in ${own.unit}` : "");
      const canvas = home.querySelector("canvas"), context = canvas.getContext("2d"), image = context.createImageData(number, 1);
      canvas.setAttribute("aria-label", `colours of the ${own.name}`);
      // Classes begin at the first level; what lies below it has a colour of its own, outside of the bar.
      for (let n = 0, first = own.levels ? 1 : 0; n < number; n++) image.data.set([...colours.subarray(3 * (n + first), 3 * (n + first) + 3), 255], 4 * n);
      context.putImageData(image, 0, 0);
      home.querySelector(".ticks").append(...own.ticks.map(([share, text]) => {
        const tick = Object.assign(document.createElement("span"), { textContent: text });
        tick.style.left = `${100 * share}%`;
        return tick;
      }));
      return home;
    }));
  }

  table(scale) {
    const chosen = scale.colours.find(([name]) => name === this.part(".colours").value) || scale.colours[0];
    return bytes(chosen[1]);
  }

  get index() { return Number(this.part(".frame").value); }

  get threshold() { const typed = this.part(".threshold").value; return typed === "" ? null : Number(typed); }

  when() {
    const step = this.index - this.past.length, { lead_labels: labels, valid_time: valid, past_time: past, first } = this.forecast;
    const before = -1 - step, lead = step + first, label = labels[step] === `+${lead}` ? "" : ` (${labels[step]})`;
    const said = step >= 0 ? `forecast, lead time ${lead}${label}` : before ? `${before} before the last frame seen` : "last frame seen";
    const time = step >= 0 ? valid?.[step] : past?.[this.index];
    if (!time) return said;
    const local = new Date(time).toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
    return `${said}, valid ${time.replace("T", " ").replace(/(:00)?Z$/, "")} UTC (here ${local})`;
  }

  // The frame of a kind that stands at the slider; of the past it is the same for all, and of errors there is none.
  frame(kind) {
    const step = this.index - this.past.length;
    return step >= 0 ? kind.frames[step] : kind.ahead ? null : this.past[this.index];
  }

  paint(kind) {
    const { width, height, pixels, channels } = this, { scale, canvas } = kind, { rows_run_north: flip, columns_run_west: mirror } = this.forecast;
    const context = canvas.getContext("2d"), image = context.createImageData(width, height), { data } = image;
    const frame = this.frame(kind);
    canvas.closest("figure").classList.toggle("ahead", !frame);
    const colours = this.table(scale), place = placing(scale), missing = scale.missing;
    const seen = kind.ahead || !this.past.length ? frame : this.past[this.past.length - 1];
    const edge = width * Number(this.part(".wipe").value) / 100;
    const least = this.part(".mask").checked && !kind.ahead && this.threshold !== null ? this.threshold : -Infinity;
    const mixed = this.coloured && !kind.ahead, mean = kind.scale === this.forecast.errors ? channels : 1;
    const share = (value) => Math.min(Math.max((value - scale.low) / (scale.high - scale.low), 0), 1) * 255;
    for (let y = 0; frame && y < height; y++) for (let x = 0; x < width; x++) {
      const shown = x < edge ? seen : frame, at = 4 * (y * width + x);
      const from = (flip ? height - 1 - y : y) * width + (mirror ? width - 1 - x : x);
      let value = shown[from];
      for (let c = 1; c < mean; c++) value += shown[from + c * pixels];
      value /= mean;
      if (value < least) continue;
      const n = Number.isNaN(value) ? -1 : 3 * place(value);
      for (let part = 0; part < 3; part++) {
        data[at + part] = n < 0 ? missing[part] : mixed ? share(shown[from + part * pixels]) : colours[n + part];
      }
      data[at + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    canvas.setAttribute("aria-label", `${kind.switch === null ? this.part(".name").textContent : kind.name}, ${this.when()}`);
  }

  draw() {
    for (const kind of this.kinds) this.paint(kind);
    const when = this.when();
    this.part(".when").textContent = when;
    this.part(".frame").setAttribute("aria-valuetext", when);
    this.tell();
  }

  point(event, canvas) {
    const box = canvas.getBoundingClientRect();
    const within = (share, size) => Math.min(Math.max(Math.floor(share * size), 0), size - 1);
    this.place = [within((event.clientY - box.top) / box.height, this.height), within((event.clientX - box.left) / box.width, this.width)];
    this.tell();
  }

  // Values of all pictures at the point, by the row and column of the file, and its place.
  tell() {
    for (const kind of this.kinds) kind.point.hidden = !this.place;
    if (!this.place) return;
    const [row, column] = this.place, { height, width, pixels, forecast } = this, { every, size, place } = forecast;
    const at = forecast.rows_run_north ? height - 1 - row : row, along = forecast.columns_run_west ? width - 1 - column : column;
    const ordered = [...this.kinds].sort((a, b) => (a.switch !== null) - (b.switch !== null));
    const told = ordered.filter((kind) => this.frame(kind)).map((kind) => {
      const frame = this.frame(kind), from = at * width + along;
      const values = Array.from({ length: frame.length / pixels }, (_, c) => number(frame[c * pixels + from]) + (kind.share ? "" : this.units[c]));
      return `${kind.switch === null ? "" : `${kind.name} `}${values.join(", ")}`;
    });
    for (const kind of this.kinds) Object.assign(kind.point.style, { left: `${100 * (column + 0.5) / width}%`, top: `${100 * (row + 0.5) / height}%` });
    const share = (n, length) => Math.min((n + 0.5) * every / length, 1);
    const where_ = place ? `, at ${where(place, share(row, size[0]), share(column, size[1]))}` : "";
    this.part(".value").textContent = `row ${at * every}, column ${along * every}${where_}: ${told.join("; ")}`;
  }

  // CSI by lead time of all that forecast, where the truth is known.
  curve() {
    const { forecast, threshold } = this, { truth, lead_labels: labels, variables } = forecast, home = this.part(".events");
    home.hidden = !truth || threshold === null;
    if (home.hidden) return;
    const rows = this.all.flat().filter((kind) => kind.curve !== undefined).map(({ name, frames }) => [name, frames]);
    const values = this.coloured ? 3 * this.pixels : this.pixels, of = this.channels > 1 && !this.coloured ? ` of ${variables[0]}` : "";
    events(home, rows, { truth, labels, threshold, values, title: `CSI of these frames by lead time, of values${of} from ${number(threshold)}${this.units[0]} (1 is best)` });
  }

  step(by) {
    this.part(".frame").value = (this.index + by + this.length) % this.length;
    this.draw();
  }

  move(down, right) {
    const [row, column] = this.place || [Math.floor(this.height / 2), Math.floor(this.width / 2)];
    const held = (n, size) => Math.min(Math.max(n, 0), size - 1);
    this.place = [held(row + down, this.height), held(column + right, this.width)];
    this.part(".value").setAttribute("aria-live", "polite"); // by the pointer it would never be silent
    this.tell();
  }

  key(event) {
    const moves = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
    const steps = { ArrowRight: () => this.step(1), ArrowLeft: () => this.step(-1), " ": () => this.play(),
      Home: () => this.step(-this.index), End: () => this.step(this.length - 1 - this.index) };
    const act = event.shiftKey && event.key in moves ? () => this.move(...moves[event.key]) : steps[event.key];
    if (act) { act(); event.preventDefault(); }
  }

  play(on = !this.timer) {
    clearInterval(this.timer);
    this.timer = on ? setInterval(() => this.step(1), STEP) : null;
    const button = this.part(".play");
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Pause" : "Play";
  }
}
