// Place on earth: latitude and longitude of a pixel, and lines of them over a picture.

// A field, told at points that are evenly spread from edge to edge, at shares of the way down and to the right.
function between(field, down, right) {
  const y = down * (field.length - 1), x = right * (field[0].length - 1);
  const top = Math.min(Math.floor(y), field.length - 2), left = Math.min(Math.floor(x), field[0].length - 2);
  const along = (line) => line[left] + (line[left + 1] - line[left]) * (x - left);
  return along(field[top]) + (along(field[top + 1]) - along(field[top])) * (y - top);
}

export function where({ latitude, longitude }, down, right) {
  const named = (value, [above, below]) => `${Math.abs(value).toFixed(2)}°${value < 0 ? below : above}`;
  return `${named(between(latitude, down, right), "NS")} ${named(between(longitude, down, right), "EW")}`;
}

// Lines where a latitude or a longitude is a multiple of its step.
export function graticule(canvas, { latitude, longitude, steps }) {
  const { width, height } = canvas, context = canvas.getContext("2d"), image = context.createImageData(width, height);
  [latitude, longitude].forEach((field, n) => {
    let above = null;
    for (let y = 0; y < height; y++) {
      const row = Int32Array.from({ length: width }, (_, x) =>
        Math.floor(between(field, y / (height - 1), x / (width - 1)) / steps[n]));
      for (let x = 0; x < width; x++) {
        const crossed = (x && row[x] !== row[x - 1]) || (above && row[x] !== above[x]);
        if (crossed) image.data.set([90, 90, 90, 150], 4 * (y * width + x));
      }
      above = row;
    }
  });
  context.putImageData(image, 0, 0);
}
