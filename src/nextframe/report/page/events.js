// Events by lead time: the critical success index of all that forecast, as a picture and as a table.

import { csi, number } from "./frames.js";

const DASHES = ["", "6 4", "2 3", "8 3 2 3"];

// Colour and dashes of the forecaster of a number, the same everywhere.
export const curve = (n) => `stroke="var(--curve-${n % 8})" stroke-dasharray="${DASHES[n % 4]}"`;

export function key(n) {
  const line = `<line x1="0" x2="24" y1="4" y2="4" stroke-width="3" ${curve(n)}/>`;
  return `<svg class="key" viewBox="0 0 24 8" aria-hidden="true">${line}</svg>`;
}

// Draws them into a figure; `rows` are names and frames by lead time, `values` how many of a frame's values count.
export function events(home, rows, { truth, labels, threshold, values, title }) {
  chart(home, rows.map(([name, frames]) => [name, csi(frames, truth, threshold, values)]), { labels, title });
}

// Draws scores from 0 to 1 into a figure: `scores` are names and values by lead time, null where there is no event.
export function chart(home, scores, { labels, title }) {
  const leads = labels.length, x = (k) => 40 + (leads > 1 ? k / (leads - 1) : 0.5) * 375, y = (value) => 150 - 140 * value;
  const lines = scores.map(([, values], n) => values.map((value, k) => {
    if (value === null) return "";
    const before = k && values[k - 1] !== null;
    const line = before ? `<line x1="${x(k - 1)}" y1="${y(values[k - 1])}" x2="${x(k)}" y2="${y(value)}" stroke-width="2" ${curve(n)}/>` : "";
    return `${line}<circle cx="${x(k)}" cy="${y(value)}" r="3" fill="var(--curve-${n % 8})"/>`;
  }).join("")).join("");
  const marks = [0, 0.5, 1].map((v) => `<text x="32" y="${y(v) + 4}" text-anchor="end">${v}</text><line class="grid" x1="40" x2="415" y1="${y(v)}" y2="${y(v)}"/>`).join("");
  const below = labels.map((_, k) => leads > 16 && k % Math.ceil(leads / 12) ? "" : `<text x="${x(k)}" y="168" text-anchor="middle">${k + 1}</text>`).join("");
  home.innerHTML = `<figcaption></figcaption><svg viewBox="0 0 430 175" role="img">${marks}${below}${lines}</svg>
    <div class="wide" tabindex="0" role="group"><table><thead><tr><th scope="col">lead time</th></tr></thead><tbody></tbody></table></div>`;
  home.querySelector("figcaption").textContent = title;
  home.querySelector("svg").setAttribute("aria-label", `${title}, which the table below holds as numbers`);
  home.querySelector(".wide").setAttribute("aria-label", title);
  home.querySelector("thead tr").append(...labels.map((label) => Object.assign(document.createElement("th"), { textContent: label, scope: "col" })));
  home.querySelector("tbody").append(...scores.map(([name, values], n) => {
    const row = document.createElement("tr"), first = Object.assign(document.createElement("th"), { scope: "row" });
    first.innerHTML = `${key(n)} `;
    first.append(name);
    row.append(first, ...values.map((value) => Object.assign(document.createElement("td"), { textContent: value === null ? "no event" : value.toFixed(2) })));
    return row;
  }));
}
