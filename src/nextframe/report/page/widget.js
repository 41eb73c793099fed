// The player in a notebook: a model of anywidget holds forecasts, and the page of the notebook says whether it is dark.

function isDark(element) {
  const [red, green, blue] = getComputedStyle(element).color.match(/[\d.]+/g).map(Number);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 127;
}

async function render({ model, el }) {
  el.style.colorScheme = isDark(el.isConnected ? el : document.body) ? "dark" : "light";
  el.classList.add("nextframe");
  let player = null;
  const open = async () => {
    player?.play(false);
    player = await gallery(el, model.get("forecasts"));
  };
  model.on("change:forecasts", open);
  await open();
  return () => {
    player.play(false);
    model.off("change:forecasts", open);
  };
}

export default { render };
