// The service's page: a file in, a forecast out; and streams whose picture moves on when a forecast arrives.
import { Player } from "/page/player.js";

const part = (name) => document.getElementById(name);
let player = null, file = null, watched = null;

function say(text, trouble = false) {
  part("said").textContent = text;
  part("said").className = trouble ? "trouble" : "";
}

function show(forecast) {
  const home = part("player");
  home.hidden = false;
  if (player) player.show(forecast); else player = new Player(home, forecast);
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
  if (format === "json") query.set("past", "true");
  const form = new FormData();
  form.append("file", file);
  return answer(`/forecast?${query}`, { method: "POST", body: form });
}

async function forecast() {
  if (!file) { say("Choose a file first, or drop one here.", true); return; }
  say(`Forecasting from ${file.name} ...`);
  try {
    const made = await (await asked("json")).json();
    watched = null;
    show(made);
    part("downloads").hidden = false;
    say(`${made.lead_times} frames from ${made.past.length} of ${file.name}, by ${part("model").value}.`);
  } catch (error) { say(error.message, true); }
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
  part("downloads").hidden = true;
  try {
    show(await (await answer(`/streams/${encodeURIComponent(name)}/forecasts/latest.json?past=true`)).json());
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
  forecast();
}

part("ask").addEventListener("submit", (event) => { event.preventDefault(); forecast(); });
part("file").addEventListener("change", (event) => choose(event.target.files[0]));
for (const name of ["dragover", "dragenter"]) document.addEventListener(name, (event) => { event.preventDefault(); part("drop").classList.add("over"); });
document.addEventListener("dragleave", () => part("drop").classList.remove("over"));
document.addEventListener("drop", (event) => { event.preventDefault(); part("drop").classList.remove("over"); choose(event.dataTransfer.files[0]); });
for (const button of part("downloads").querySelectorAll("button")) button.addEventListener("click", () => download(button.dataset.format));

for (const model of await (await answer("/models")).json()) {
  const option = document.createElement("option");
  option.value = option.textContent = model.name;
  part("model").append(option);
}
await list();
new EventSource("/events").addEventListener("forecast", (event) => {
  list();
  if (JSON.parse(event.data).stream === watched) look(watched);
});
