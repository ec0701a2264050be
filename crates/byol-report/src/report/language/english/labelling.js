/* What the page says on which images are labelled, in English: an entry for each whole sentence or name. */

const counted = (number, one) => `${number.toLocaleString("en")} ${one}${number === 1 ? "" : "s"}`;
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const whole = (share) => `${Math.round(100 * share)} %`;

const words = {
  percent,
  probability: whole,
  progress: (view) => `${counted(view.train + view.aside, "label")} of ${counted(view.images, "image")}`
    + (view.aside > 0 ? `, ${view.aside} set aside` : "")
    + (view.none > 0 ? `, ${view.none} of no class` : "")
    + (view.skipped > 0 ? `, ${view.skipped} skipped` : "")
    + (view.gone > 0 ? `, ${view.gone} gone` : "")
    + (view.added > 0 ? `, ${view.added} added since` : ""),

  /* Why an image is shown. */
  why: {
    typical: "Typical of many images that have no label yet.",
    coverage: "Many images lie near this one that no label is near to.",
    margin: "The classifier wavers here, and the others it wavers at are different.",
    badge: "Its label would change the classifier much.",
    random: "Drawn at random.",
    aside: "Drawn at random and set aside: its label measures the classifier and teaches it nothing, so no guess is shown.",
    taken_back: "You took your answer back.",
  },
  wavers: (one, other) => `The classifier wavers between ${one.class} (${whole(one.probability)}) and ${other.class} (${whole(other.probability)}).`,
  choosing: "Choosing images …",
  firstClass: "Name the first class: press +, or the button below.",
  allDone: "Every image has an answer.",
  allShown: "The images that are left are shown on other pages.",
  again: (skipped) => `Take ${counted(skipped, "skipped image")} up again`,
  cannotShow: (name) => `${name} cannot be shown.`,
  imageNamed: (name) => `the image ${name}`,

  /* Answers. */
  guess: (best) => `${best.class}, ${whole(best.probability)} sure`,
  noGuess: "No guess yet",
  acceptKey: "Enter",
  accept: "accept the guess",
  skip: "Skip",
  skipTitle: "Later, or never",
  none: "Not one of these",
  undo: "Undo",
  neighbours: "Neighbours",
  grid: "Several at once",
  leaveGrid: "One by one",
  newClass: "New class",
  find: "Find",
  help: "Keys",
  classKey: (name, key) => (key ? `${name}, key ${key}` : name),
  said: {
    class: (name, image) => `${image}: ${name}`,
    several: (name, images) => `${counted(images, "image")}: ${name}`,
    none: (image) => `${image}: none of the classes`,
    skip: (image) => `${image}: skipped`,
    undo: "Undone",
    nothingToUndo: "Nothing is left to undo",
    added: (name) => `New class ${name}`,
    leftOut: (images) => `${counted(images, "image")} had another answer by then and keep it`,
  },
  gridIs: "Take out what does not belong, then press the key of a class: it is the answer to all that are left.",
  selected: (images) => `${counted(images, "image")} chosen`,
  tile: (name) => name,
  near: (alike) => `${alike.class ?? "no label"}`,
  nearTitle: (alike) => `${alike.name}, similarity ${alike.similarity.toFixed(2)}`,

  /* Names of classes. */
  nameOfClass: "Name of the new class",
  findClass: "Part of a class's name; Enter takes the first",
  noSuchClass: "No class has that in its name.",
  add: "Add",
  take: "Take",
  cancel: "Cancel",
  rename: "Rename",
  renameTo: (name) => `New name of ${name}; that of another class makes both one`,
  merge: (from, to, images) => `Make ${from} (${counted(images, "label")}) one with ${to}?`,
  drop: "Remove",
  className: "class",
  toTrain: "to learn",
  setAside: "set aside",
  noClasses: "There is no class yet.",

  /* Keys. */
  keys: [
    ["1 … 9, 0, a … z", "the class with this key"],
    ["Enter", "accept the guess"],
    ["\u2192", "skip"],
    ["-", "not one of these"],
    ["Backspace", "undo, as often as you like"],
    ["\u2193", "neighbours"],
    ["\u2191", "several at once"],
    ["+", "new class"],
    ["/", "find a class by its name"],
    ["Esc", "close"],
  ],

  /* What it is worth. */
  heldOut: "by cross-validation",
  onAside: "on images set aside",
  accuracy: (share) => `${percent(share.share)} (${share.right} of ${share.images}; 95% interval ${percent(share.low)} to ${percent(share.high)})`,
  heldOutIs: "On labels that it did not learn from. Images are chosen because they are hard, so it does better on others.",
  asideIs: "On random images that it never learns from: what to expect on images like these.",
  noAside: "No label is set aside yet.",
  noAsideAtAll: "No label is set aside, so what to expect on other images is not measured.",
  tooFew: "The classifier needs labels of two classes.",
  oneOfEach: "For this a class needs two labels to learn from; each has one as yet.",
  fitting: "The classifier is learning …",
  prospect: (more, gain, interval) => `${more} more labels are likely to bring ${(100 * gain).toFixed(1)} points`
    + (interval ? ` (${(100 * interval[0]).toFixed(1)} to ${(100 * interval[1]).toFixed(1)}).` : "."),
  noProspect: (labels) => `What more labels would bring is said from ${labels} labels on.`,
  prospectUnknown: "The labels do not tell yet what more of them would bring.",
  curveOf: (points) => `Accuracy at ${counted(points, "number")} of labels`,
  labels: "labels",
  point: (name, labels, share) => `${name}, ${counted(labels, "label")}: ${percent(share.share)}`,

  /* The end. */
  copy: "copy",
  copied: "copied",
  start: "Fine-tune now",
  stop: "Stop",
  training: (text) => `Training: ${text}`,
  trained: (text) => `Fine-tuning has ended: ${text}.`,
  stopped: (text) => `Fine-tuning: ${text}.`,
  notTrained: (text) => `Fine-tuning failed: ${text}`,
  report: "Report of the fine-tuned classifier",
  onlyAside: (names) => `No label to learn from yet, only set aside: ${names.join(", ")}. Label one more of each before you train.`,
  fewClasses: "Two classes with a label to learn from are needed.",

  /* What goes wrong. */
  noAnswer: "The server does not answer. Nothing is recorded until it does; this page goes on by itself.",
  unwritten: (problem) => `${problem}. Nothing more is accepted until it is written; it is tried again every few seconds.`,
  table: (problem) => `${problem}. Nothing is recorded until the file can be read.`,
  tryNow: "Try now",
  edited: (edited) => `The file was changed by another program and taken in: ${[
    edited.added && `${counted(edited.added, "label")} added`,
    edited.changed && `${edited.changed} changed`,
    edited.removed && `${edited.removed} removed`].filter(Boolean).join(", ")}.`,
  added: (images) => `${counted(images, "image")} came into the folder since this page was begun. End byol label and begin it again to be asked for ${images === 1 ? "it" : "them"}; no answer is lost.`,
  notFitted: (error) => `The classifier could not be fitted: ${error}.`,
  problem: (text) => `${text}.`,
  dismiss: "Close",
};
