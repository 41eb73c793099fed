// The report's page: its examples are played as soon as it is open.
await gallery(document.getElementById("player"), JSON.parse(document.getElementById("data").textContent), { play: true });
