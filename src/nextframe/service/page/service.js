// The service's page: files in, a forecast out; and streams whose picture moves on when a forecast arrives.
import { chart } from "/page/events.js";
import { unpacked } from "/page/frames.js";
import { Player } from "/page/player.js";

const part = (name) => document.getElementById(name);
let player = null, files = [], watched = null, threshold = null, models = [];

const named = () => files.length === 1 ? files[0].name : `${files.length} files`;
const chosen = () => models.find(({ name }) => name === part("model").value);
const baselines = () => [...document.querySelectorAll("[name=beside]:checked")].map((box) => box.value).join(",");
const CLIP = /^(video\/|image\/(png|jpeg|gif|bmp|webp))/;

// The files as a form.
function form() {
  const sent = new FormData();
  for (const file of files) sent.append("file", file);
  return sent;
}

// Clips in colour are grey to a model of one channel.
const reading = () => files.every(({ type }) => CLIP.test(type)) && chosen().variables.length === 1 ? { grey: "true" } : {};

function say(text, trouble = false) {
  part("said").textContent = text;
  part("said").className = trouble ? "trouble" : "";
}

async function show(forecast) {
  const home = part("player"), opened = await unpacked(forecast);
  home.hidden = false;
  if (player) player.show(opened); else {
    player = new Player(home, opened);
    home.addEventListener("threshold", (event) => {
      threshold = event.detail;
      if (watched === null && part("probability").checked) again();
    });
  }
  return opened;
}

async function answer(path, options) {
  const response = await fetch(path, options);
  if (!response.ok) {
    const problem = await response.json().catch(() => ({ detail: response.statusText }));
    throw new Error(problem.detail);
  }
  return response;
}

function asked(format) {
  const query = new URLSearchParams({ model: part("model").value, format, ...reading() });
  if (part("lead-times").value) query.set("lead_times", part("lead-times").value);
  if (part("check").checked) query.set("check", "true");
  if (format === "json") {
    query.set("past", "true");
    query.set("packed", "true");
    query.set("beside", baselines());
    if (part("probability").checked) query.set("threshold", threshold ?? chosen().threshold);
  }
  return answer(`/forecast?${query}`, { method: "POST", body: form() });
}

// Numbers of the questions that were asked: an answer that a later question has overtaken is not shown.
let asking = 0;

async function forecast() {
  const number = ++asking;
  if (!files.length) { say("Choose a file first, or drop one here.", true); return; }
  say(`Forecasting from ${named()} ...`);
  try {
    const made = await (await asked("json")).json();
    if (number !== asking) return;
    watched = null;
    part("worth").hidden = part("which").hidden = true;
    made.threshold ??= threshold ?? chosen().threshold;
    const { past } = await show(made);
    part("downloads").hidden = false;
    say(`${made.lead_times} frames from ${past.length} of ${named()}, by ${part("model").value}.`);
  } catch (error) { say(error.message, true); }
}

// Asks again when an option has changed, where there is something to forecast from.
function again() { if (watched !== null) look(watched); else if (files.length) forecast(); }

async function examine() {
  const asked = files;
  try {
    const query = new URLSearchParams({ model: part("model").value, ...reading() });
    const found = await (await answer(`/inspect?${query}`, { method: "POST", body: form() })).json();
    if (asked !== files) return;
    part("words").textContent = found.words.join(" ");
    part("problems").replaceChildren(...found.problems.map((problem) => Object.assign(document.createElement("li"), { textContent: problem })));
    if (!found.problems.length) part("words").textContent += " No problem found.";
    part("doctor").hidden = false;
  } catch (error) { part("doctor").hidden = true; }
}

async function download(format) {
  try {
    const made = watched === null ? asked(format) : answer(`/streams/${encodeURIComponent(watched)}/forecasts/${part("when").value}.${format}`);
    const blob = await (await made).blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `forecast.${format}`;
    link.click();
    URL.revokeObjectURL(link.href);
  } catch (error) { say(error.message, true); }
}

// Forecasts of the stream that are kept, the latest first, of which one is looked at: earlier ones have met their truth.
async function listForecasts(stream) {
  const before = part("when").value, times = await (await answer(`${stream}/forecasts`)).json();
  const said = (time) => time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)\d*Z$/, "$1-$2-$3 $4:$5 UTC");
  part("when").replaceChildren(new Option("the latest frame", "latest"), ...times.slice(0, -1).reverse().map((time) => new Option(said(time), time)));
  part("when").value = times.slice(0, -1).includes(before) ? before : "latest";
  part("which").hidden = times.length < 2;
  return part("when").value;
}

async function look(name) {
  if (name !== watched) part("when").value = "latest";
  watched = name;
  const number = ++asking, stream = `/streams/${encodeURIComponent(name)}`;
  part("doctor").hidden = part("training").hidden = true;
  try {
    const when = await listForecasts(stream);
    const query = new URLSearchParams({ past: "true", packed: "true", truth: when !== "latest", beside: baselines() });
    const made = await (await answer(`${stream}/forecasts/${when}.json?${query}`)).json();
    const skill = await (await answer(`${stream}/skill`)).json();
    if (number !== asking) return;
    const { truth = [] } = await show(made);
    worth(skill, made);
    part("downloads").hidden = false;
    const come = truth.filter((frame) => frame.some((value) => !Number.isNaN(value))).length;
    part("come").textContent = when === "latest" ? "" : `The truth of ${come} of its ${made.lead_times} frames has come.`;
    say(when === "latest" ? `Stream ${name}: the picture moves on when a forecast arrives.` : `Stream ${name}: an earlier forecast, and what came of it.`);
  } catch (error) { if (number === asking) say(error.message, true); }
}

// Rolling scores of a stream beside persistence and extrapolation: CSI by lead time.
let seen = null;

function worth(skill, forecast) {
  seen = { skill, forecast };
  const { scores = {}, forecasts = [] } = skill[part("window").value] ?? {}, home = part("worth").querySelector("figure");
  const metric = Object.keys(Object.values(scores)[0] ?? {}).find((name) => name.startsWith("csi_"));
  part("worth").hidden = false;
  home.hidden = metric === undefined;
  part("behind").textContent = home.hidden ? "No forecast of this stream has met its truth yet." : `${Math.max(...forecasts)} forecasts have met their truth.`;
  if (home.hidden) return;
  const unit = forecast.units[0] === "1" ? "" : ` ${forecast.units[0]}`;
  chart(home, Object.entries(scores).map(([name, each]) => [name, each[metric]]), {
    labels: forecasts.map((_, lead) => forecast.lead_labels[lead] ?? `+${lead + 1}`),
    title: `CSI by lead time, of values from ${metric.slice(4)}${unit} (1 is best)`,
  });
}

async function list() {
  const names = await (await answer("/streams")).json();
  part("streams").replaceChildren(...names.map((name) => {
    const item = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => look(name));
    item.append(button);
    return item;
  }));
  if (!names.length) part("streams").textContent = "None yet: send frames to /streams/NAME/frames.";
}

function choose(list) {
  if (!list.length) return;
  files = [...list];
  watched = null;
  threshold = null;
  part("training").hidden = false;
  forecast().then(examine);
}

// Losses by epoch, of training (solid) and validation (dashed).
function losses(epochs) {
  const rows = ["train_loss", "val_loss"].map((name) => epochs.map((epoch) => epoch[name]).map((value) => value ?? null));
  const all = rows.flat().filter((value) => value !== null);
  part("curve").toggleAttribute("hidden", !all.length);
  if (!all.length) return;
  const low = Math.min(...all), reach = Math.max(...all) - low || 1;
  const x = (n) => 60 + (epochs.length > 1 ? n / (epochs.length - 1) : 0.5) * 360, y = (value) => 140 - 120 * (value - low) / reach;
  const line = (values, colour, dash) => {
    const places = values.map((value, n) => value === null ? "" : `${x(n)},${y(value)}`).filter(Boolean);
    return `<polyline points="${places.join(" ")}" fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"/>` +
      places.map((place) => `<circle cx="${place.split(",")[0]}" cy="${place.split(",")[1]}" r="2.5" fill="${colour}"/>`).join("");
  };
  const marks = [low, low + reach].map((value) => `<text x="54" y="${y(value) + 4}" text-anchor="end">${value.toPrecision(3)}</text><line class="grid" x1="60" x2="420" y1="${y(value)}" y2="${y(value)}"/>`);
  part("curve").innerHTML = `${marks.join("")}<text x="240" y="164" text-anchor="middle">epoch 1 to ${epochs.length}; solid: training, dashed: validation</text>${line(rows[0], "var(--curve-0)", "")}${line(rows[1], "var(--curve-1)", "6 4")}`;
  const last = rows.map((values) => values.findLast((value) => value !== null));
  part("curve").setAttribute("aria-label", `Loss by epoch: after ${epochs.length}, ${last.filter((value) => value !== undefined).map((value) => value.toPrecision(3)).join(" of training, ")} of validation`);
}

let training = null;

function follow(name) {
  training = name;
  part("train").disabled = true;
  part("cancel").hidden = false;
  const source = new EventSource(`/trainings/${encodeURIComponent(name)}/events`);
  source.addEventListener("training", async (event) => {
    const told = JSON.parse(event.data);
    losses(told.epochs);
    const said = { running: `Training: ${told.epochs.length} epochs so far.`, done: `${name} is trained, and in the list of models.`,
      failed: `The training failed: ${told.error}`, cancelled: "The training was cancelled." };
    part("progress").textContent = said[told.state];
    if (told.state === "running") return;
    source.close();
    part("train").disabled = false;
    part("cancel").hidden = true;
    if (told.state !== "done") return;
    await listModels();
    part("model").value = name;
    again();
  });
}

part("train").addEventListener("click", async () => {
  part("progress").textContent = "Beginning ...";
  try {
    follow((await (await answer("/trainings", { method: "POST", body: form() })).json()).id);
  } catch (error) { part("progress").textContent = error.message; }
});
part("cancel").addEventListener("click", () => answer(`/trainings/${encodeURIComponent(training)}`, { method: "DELETE" }).catch((error) => { part("progress").textContent = error.message; }));

part("ask").addEventListener("submit", (event) => { event.preventDefault(); forecast(); });
part("file").addEventListener("change", (event) => choose(event.target.files));
for (const name of ["dragover", "dragenter"]) document.addEventListener(name, (event) => { event.preventDefault(); part("drop").classList.add("over"); });
document.addEventListener("dragleave", () => part("drop").classList.remove("over"));
document.addEventListener("drop", (event) => { event.preventDefault(); part("drop").classList.remove("over"); choose(event.dataTransfer.files); });
for (const button of part("downloads").querySelectorAll("button")) button.addEventListener("click", () => download(button.dataset.format));

part("model").addEventListener("change", () => { threshold = null; again(); });
part("when").addEventListener("change", again);
part("window").addEventListener("change", () => worth(seen.skill, seen.forecast));
for (const box of document.querySelectorAll("#ask [type=checkbox]")) box.addEventListener("change", again);

async function listModels() {
  models = await (await answer("/models")).json();
  const before = part("model").value;
  part("model").replaceChildren(...models.map(({ name }) => new Option(name, name)));
  if (models.some(({ name }) => name === before)) part("model").value = before;
}

await listModels();
await list();
new EventSource("/events").addEventListener("forecast", (event) => {
  list();
  if (JSON.parse(event.data).stream === watched) look(watched);
});
