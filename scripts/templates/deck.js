// Lay the lesson's cells out on pages, then let reveal.js turn them.
// A topic (a slide or subslide of the notebook) fills as many pages as it needs; a paragraph, a picture, a listing is
// never cut. What is too large for a page alone becomes smaller, as far as one can read it, and then scrolls.
const HEIGHT = 720, SMALLEST_PICTURE = 380, SMALLEST_CODE = 17, SMALLEST_TEXT = 0.8;
const slides = document.querySelector(".reveal .slides");

function make(name, kind, words = "") {
  const made = document.createElement(name);
  made.className = kind;
  made.textContent = words;
  return made;
}

// The pieces of a cell that stay whole. A picture stands for the code that drew it, which lies folded behind it; so does
// a quiz, whose code tells the answer.
function pieces(cell) {
  if (!cell.classList.contains("code")) return [...cell.children];
  const children = [...cell.children];
  const code = children.find(child => child.matches("details.code"));
  const quiz = code?.textContent.includes("checks.quiz(");
  const shown = children.find(child => child.matches(quiz ? ".shown" : "img.shown"));
  if (code) code.open = true;
  if (!shown) return children;
  const whole = make("div", quiz ? "quiz" : cell.dataset.tags ? "picture lab" : "picture");
  if (cell.dataset.tags) whole.dataset.lab = cell.dataset.tags;
  if (code) {
    code.classList.add("behind");
    code.open = false;
    code.querySelector("summary").textContent = "‹code›";
    whole.append(code);
  }
  const rest = children.filter(child => child !== code).map(child => (child === shown ? whole : child));
  whole.append(shown);
  return rest;
}

const full = page => page.scrollHeight > HEIGHT + 1;
const left = (page, piece) => HEIGHT - 44 - (piece.getBoundingClientRect().top - page.getBoundingClientRect().top);

// Make a picture, a listing or a text small enough for what is left of its page; says whether that went well.
function fit(page, piece, patient) {
  const room = left(page, piece), picture = piece.querySelector(":scope > img") || (piece.matches("p") && piece.querySelector("img"));
  if (picture) {
    if (room < SMALLEST_PICTURE && !patient) return false;
    picture.style.height = `${Math.floor(Math.max(room - 14, 200))}px`;
    picture.style.width = "auto";
    return !full(page) || patient;
  }
  if (!patient) return false;
  const listing = piece.matches("pre") ? piece : piece.querySelector("pre");
  if (listing) {
    for (let size = 19; full(page) && size >= SMALLEST_CODE; size--) listing.style.fontSize = `${size}px`;
    if (full(page)) listing.style.maxHeight = `${Math.floor(room - 14)}px`;
    return true;
  }
  for (let share = 0.95; full(page) && share >= SMALLEST_TEXT; share -= 0.05) piece.style.fontSize = `${share}em`;
  return true; // the page scrolls if that was not enough
}

// Long lines: smaller, as far as one can read them; then code wraps, and what was printed scrolls.
function narrow(piece) {
  for (const listing of piece.matches("pre") ? [piece] : piece.querySelectorAll("pre:not(.behind pre)")) {
    for (let size = 19; listing.scrollWidth > listing.clientWidth && size >= SMALLEST_CODE; size--)
      listing.style.fontSize = `${size}px`;
    if (listing.scrollWidth > listing.clientWidth && listing.closest(".highlight")) listing.style.whiteSpace = "pre-wrap";
  }
}

// What announces the next piece, and may not stay behind alone: "Then:", or a line in bold.
function announces(piece) {
  if (!piece || !piece.matches("p")) return false;
  const words = piece.textContent.trim(), bold = piece.querySelector(":scope > strong");
  return words.endsWith(":") || bold?.textContent === words;
}

class Topic {
  constructor() {
    this.section = document.createElement("section");
    slides.append(this.section);
    this.title = "";
    this.turn();
  }

  turn() {
    this.page = make("section", "page");
    if (this.title) this.page.append(make("p", "running", this.title));
    this.section.append(this.page);
    this.cell = null;
  }

  // Whether nothing but headings stands beside this piece.
  alone(piece) {
    const others = [...this.page.querySelectorAll(":scope > div > *")].filter(one => one !== piece);
    return others.every(one => one.matches("h1, h2, h3") || announces(one));
  }

  // A group on the page for each cell, so that a fragment comes as a whole.
  group(cell) {
    if (this.cell === cell) return this.page.lastElementChild;
    const later = cell.dataset.slide === "fragment" && !this.alone(null);
    this.page.append(make("div", later ? "fragment" : "together"));
    this.cell = cell;
    return this.page.lastElementChild;
  }

  add(piece, cell) {
    if (piece.matches("h1, h2")) this.title ||= piece.textContent;
    this.group(cell).append(piece);
    narrow(piece);
    if (!full(this.page) || (this.alone(piece) ? this.squeeze(piece, cell) : fit(this.page, piece, false))) return;
    const group = piece.parentElement, before = piece.previousElementSibling;
    const taken = announces(before) ? [before, piece] : [piece];
    taken.forEach(one => one.remove());
    restore(piece);
    if (!group.children.length) group.remove();
    this.turn();
    const fresh = this.group(cell);
    fresh.append(...taken);
    narrow(piece);
    if (full(this.page)) this.squeeze(piece, cell);
  }

  // A piece that is too large for a page of its own: a list goes on on the next page, all else becomes smaller.
  squeeze(piece, cell) {
    if (!piece.matches("ul, ol") || piece.children.length < 2) return fit(this.page, piece, true);
    const rest = piece.cloneNode(false);
    while (full(this.page) && piece.children.length > 1) rest.prepend(piece.lastElementChild);
    if (rest.matches("ol")) rest.start = (piece.start || 1) + piece.children.length;
    this.turn();
    this.add(rest, cell);
    return true;
  }
}

function restore(piece) {
  for (const one of [piece, ...piece.querySelectorAll("img, pre")]) one.removeAttribute("style");
}

function layOut() {
  for (const topic of [...document.querySelectorAll("#cells > section")]) {
    const made = new Topic();
    for (const cell of [...topic.children]) {
      if (cell.matches("aside.notes")) made.page.append(cell);
      else for (const piece of pieces(cell)) made.add(piece, cell);
    }
  }
  document.getElementById("cells").remove();
}

window.addEventListener("load", async () => {
  await document.fonts.load("30px Formulas"); // before anything is measured
  slides.parentElement.classList.add("laying-out");
  layOut();
  slides.parentElement.classList.remove("laying-out");
  Reveal.initialize({
    width: 1280, height: 720, margin: 0.02, center: false, hash: true, slideNumber: "c/t", transition: "none",
    backgroundTransition: "none", plugins: [RevealNotes],
  });
});
