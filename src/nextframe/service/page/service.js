// The service's page: a file in, a forecast out; and streams whose picture moves on when a forecast arrives.
import { unpacked } from "/page/frames.js";
import { Player } from "/page/player.js";

const part = (name) => document.getElementById(name);
let player = null, file = null, watched = null, threshold = null, models = [];

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
      if (file && watched === null && part("probability").checked) again();
    });
  }
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
  const query = new URLSearchParams({ model: part("model").value, format });
  if (part("lead-times").value) query.set("lead_times", part("lead-times").value);
  if (part("check").checked) query.set("check", "true");
  if (format === "json") {
    query.set("past", "true");
    query.set("beside", [...document.querySelectorAll("[name=beside]:checked")].map((box) => box.value).join(","));
    if (part("probability").checked) query.set("threshold", threshold ?? models.find(({ name }) => name === part("model").value).threshold);
  }
  const form = new FormData();
  form.append("file", file);
  return answer(`/forecast?${query}`, { method: "POST", body: form });
}

// Numbers of the questions that were asked: an answer that a later question has overtaken is not shown.
let asking = 0;

async function forecast() {
  const number = ++asking;
  if (!file) { say("Choose a file first, or drop one here.", true); return; }
  say(`Forecasting from ${file.name} ...`);
  try {
    const made = await (await asked("json")).json();
    if (number !== asking) return;
    watched = null;
    made.threshold ??= threshold ?? models.find(({ name }) => name === part("model").value).threshold;
    await show(made);
    part("downloads").hidden = false;
    say(`${made.lead_times} frames from ${made.past.length} of ${file.name}, by ${part("model").value}.`);
  } catch (error) { say(error.message, true); }
}

// Asks again when an option has changed, where there is a file to forecast from.
function again() { if (file) forecast(); }

async function examine() {
  const form = new FormData(), asked = file;
  form.append("file", asked);
  try {
    const found = await (await answer(`/inspect?model=${encodeURIComponent(part("model").value)}`, { method: "POST", body: form })).json();
    if (asked !== file) return;
    part("words").textContent = found.words.join(" ");
    part("problems").replaceChildren(...found.problems.map((problem) => Object.assign(document.createElement("li"), { textContent: problem })));
    if (!found.problems.length) part("words").textContent += " No problem found.";
    part("doctor").hidden = false;
  } catch (error) { part("doctor").hidden = true; }
}

async function download(format) {
  try {
    const blob = await (await asked(format)).blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `forecast.${format}`;
    link.click();
    URL.revokeObjectURL(link.href);
  } catch (error) { say(error.message, true); }
}

async function look(name) {
  watched = name;
  asking++;
  part("doctor").hidden = true;
  part("downloads").hidden = true;
  try {
    await show(await (await answer(`/streams/${encodeURIComponent(name)}/forecasts/latest.json?past=true`)).json());
    say(`Stream ${name}: the picture moves on when a forecast arrives.`);
  } catch (error) { say(error.message, true); }
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

function choose(chosen) {
  if (!chosen) return;
  file = chosen;
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
  const form = new FormData();
  form.append("file", file);
  part("progress").textContent = "Beginning ...";
  try {
    follow((await (await answer("/trainings", { method: "POST", body: form })).json()).id);
  } catch (error) { part("progress").textContent = error.message; }
});
part("cancel").addEventListener("click", () => answer(`/trainings/${encodeURIComponent(training)}`, { method: "DELETE" }).catch((error) => { part("progress").textContent = error.message; }));

part("ask").addEventListener("submit", (event) => { event.preventDefault(); forecast(); });
part("file").addEventListener("change", (event) => choose(event.target.files[0]));
for (const name of ["dragover", "dragenter"]) document.addEventListener(name, (event) => { event.preventDefault(); part("drop").classList.add("over"); });
document.addEventListener("dragleave", () => part("drop").classList.remove("over"));
document.addEventListener("drop", (event) => { event.preventDefault(); part("drop").classList.remove("over"); choose(event.dataTransfer.files[0]); });
for (const button of part("downloads").querySelectorAll("button")) button.addEventListener("click", () => download(button.dataset.format));

part("model").addEventListener("change", () => { threshold = null; again(); });
for (const box of document.querySelectorAll("#ask [type=checkbox]")) box.addEventListener("change", again);

async function listModels() {
  models = await (await answer("/models")).json();
  const chosen = part("model").value;
  part("model").replaceChildren(...models.map(({ name }) => new Option(name, name)));
  if (models.some(({ name }) => name === chosen)) part("model").value = chosen;
}

await listModels();
await list();
new EventSource("/events").addEventListener("forecast", (event) => {
  list();
  if (JSON.parse(event.data).stream === watched) look(watched);
});
