// Several forecasts in one player, of which the reader chooses one; each is unpacked when it is first looked at.

import { Player } from "./player.js";
import { unpacked } from "./frames.js";

let pickers = 0;

export async function gallery(home, examples, options) {
  const pick = document.createElement("select"), label = document.createElement("label"), stage = document.createElement("div");
  home.classList.add("player");
  label.append("Example ", pick);
  label.hidden = !examples[0].example;
  pick.className = "example";
  pick.name = `example-${++pickers}`;
  pick.append(...examples.map(({ example }, n) => new Option(example || `${n + 1}`, n)));
  home.replaceChildren(label, stage);
  const player = new Player(stage, await unpacked(examples[0]), options);
  let asked = 0;
  pick.addEventListener("change", async () => {
    const number = ++asked, chosen = await unpacked(examples[pick.value]);
    if (number === asked) player.show(chosen, { stay: true });
  });
  return player;
}
