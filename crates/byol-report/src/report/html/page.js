/* Brings a page, or a part of it, to life. Without this the page says the same; it only cannot be asked. */

function enliven(root) {
  root.querySelectorAll("[data-hint=charts]").forEach((hint) => { hint.hidden = false; });
  root.querySelectorAll(".chart").forEach((element) => {
    if (!element.closest(".legend")) new Chart(element, placeOf(element));
  });
  root.querySelectorAll("[data-choice]").forEach(chooseRuns);
  root.querySelectorAll("[data-path]").forEach(reachable);
  root.querySelectorAll("[data-command]").forEach(commandLine);
  root.querySelectorAll("[data-mistakes]").forEach(withThumbnails);
  root.querySelectorAll("[data-matrix]").forEach(openable);
  root.querySelectorAll("[data-map]").forEach((element) => new EmbeddingMap(element));
}

/* A name of a chart that stays while the page grows: its section, and which of that section's charts it is. */
function placeOf(element) {
  const section = element.closest("section");
  return `${section?.id}/${[...(section ?? document).querySelectorAll(".chart")].indexOf(element)}`;
}

const live = document.querySelector("[data-revision]");
if (live) remember(document);
enliven(document);
if (live) follow(live);
