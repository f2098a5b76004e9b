// Shows on each node the people it works with: outlined in their colours, with number and score. In Select People a click on
// a person chooses or leaves out that person.
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

const SELECT = "InstMattSelectPeople";
const SCORE = "InstMattScoreMattes";
const WITH_PEOPLE = [
  "InstMattMattePeople",
  "InstMattDetectPeople",
  "InstMattMasksToPeople",
  SELECT,
  "InstMattTriMask",
  "InstMattMatte",
  "InstMattRefine",
  "InstMattEndToEndMatte",
];
const HEIGHT = 240; // px of the preview on a node
const SVG = "http://www.w3.org/2000/svg";

const style = document.createElement("link");
style.rel = "stylesheet";
style.href = new URL("./instmatt.css", import.meta.url).href;
document.head.append(style);

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

function urlOf({ filename, subfolder, type }) {
  return api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`);
}

// The preview of one node. `toggle(number)` is called for a click on a person, if people can be chosen here.
class Preview {
  constructor(toggle) {
    this.toggle = toggle;
    this.frames = [];
    this.index = 0;
    this.chosen = null; // numbers, once a click has changed what the server said
    this.stage = make("div", "instmatt-stage");
    this.caption = make("span", "instmatt-caption");
    const step = (by, text, label) => {
      const button = make("button", "instmatt-step", text);
      button.setAttribute("aria-label", label);
      button.addEventListener("click", () => this.draw(this.index + by));
      return button;
    };
    this.bar = make("div", "instmatt-bar", step(-1, "‹", "previous picture"), this.caption, step(1, "›", "next picture"));
    this.root = make("div", "instmatt-preview", this.stage, this.bar);
  }

  show(frames) {
    this.frames = frames;
    this.chosen = null;
    this.draw(Math.min(this.index, frames.length - 1));
  }

  isOn(person) {
    return this.chosen ? this.chosen.has(person.number) : person.on;
  }

  draw(index) {
    if (!this.frames.length) return;
    this.index = (index + this.frames.length) % this.frames.length;
    const { frame, image, people, filled } = this.frames[this.index];
    this.stage.classList.toggle("instmatt-plain", !filled);
    const picture = make("img", "instmatt-picture");
    picture.alt = "";
    picture.draggable = false;
    picture.addEventListener("load", () => {
      this.stage.style.setProperty("--shape", picture.naturalWidth / picture.naturalHeight);
    });
    picture.src = urlOf(image);
    const drawing = document.createElementNS(SVG, "svg");
    drawing.setAttribute("viewBox", "0 0 1000 1000");
    drawing.setAttribute("preserveAspectRatio", "none");
    drawing.append(...people.map((person) => this.shape(person)));
    this.stage.replaceChildren(picture, drawing, ...people.map((person) => this.label(person)));
    const count = people.length === 1 ? "1 person" : `${people.length} people`;
    this.caption.textContent = this.frames.length > 1 ? `${frame + 1}: ${count}` : count;
    this.bar.classList.toggle("instmatt-single", this.frames.length === 1);
  }

  shape(person) {
    const path = document.createElementNS(SVG, "path");
    const outline = (points) => {
      const pairs = [];
      for (let i = 0; i < points.length; i += 2) pairs.push(`${points[i]} ${points[i + 1]}`);
      return `M${pairs.join("L")}Z`;
    };
    path.setAttribute("d", person.outlines.map(outline).join(""));
    path.setAttribute("fill-rule", "evenodd");
    path.setAttribute("class", this.isOn(person) ? "instmatt-on" : "instmatt-off");
    path.style.setProperty("--colour", person.colour);
    path.dataset.person = person.number;
    if (this.toggle) {
      const click = (event) => {
        event.stopPropagation();
        this.choose(person.number);
      };
      path.classList.add("instmatt-clickable");
      path.setAttribute("role", "button");
      path.setAttribute("tabindex", "0");
      path.setAttribute("aria-label", `person ${person.number}`);
      path.setAttribute("aria-pressed", String(this.isOn(person)));
      path.addEventListener("pointerdown", (event) => event.stopPropagation());
      path.addEventListener("click", click);
      path.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") click(event);
      });
    }
    return path;
  }

  label(person) {
    const [x, y] = middle(person.outlines);
    const label = make("span", "instmatt-label", String(person.number));
    label.append(make("small", "", `${Math.round(100 * person.score)}%`));
    label.style.left = `${x / 10}%`;
    label.style.top = `${y / 10}%`;
    label.style.setProperty("--colour", person.colour);
    return label;
  }

  choose(number) {
    const everyone = new Set(this.frames.flatMap(({ people }) => people.map((person) => person.number)));
    const on = this.frames.flatMap(({ people }) => people.filter((person) => this.isOn(person)).map((person) => person.number));
    this.chosen = new Set(on);
    if (!this.chosen.delete(number)) this.chosen.add(number);
    this.draw(this.index);
    this.toggle(this.chosen, everyone);
  }
}

// A point inside the largest outline: the middle of the widest stretch at a few heights.
function middle(outlines) {
  const spread = (points) => Math.max(...points) - Math.min(...points);
  const largest = outlines.reduce((a, b) => (spread(a) >= spread(b) ? a : b));
  const ys = largest.filter((_, i) => i % 2);
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  let best = [largest[0], largest[1], -1];
  for (let part = 0.3; part <= 0.7; part += 0.1) {
    const y = top + part * (bottom - top);
    const crossings = [];
    for (let i = 0; i < largest.length; i += 2) {
      const [x0, y0, x1, y1] = [0, 1, 2, 3].map((k) => largest[(i + k) % largest.length]);
      if (y0 <= y !== y1 <= y) crossings.push(x0 + ((y - y0) / (y1 - y0)) * (x1 - x0));
    }
    crossings.sort((a, b) => a - b);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const width = crossings[i + 1] - crossings[i];
      if (width > best[2]) best = [(crossings[i] + crossings[i + 1]) / 2, y, width];
    }
  }
  return best;
}

const widgetOf = (node, name) => node.widgets.find((candidate) => candidate.name === name);

function setWidget(node, name, value) {
  const widget = widgetOf(node, name);
  widget.value = value;
  widget.callback?.(value);
}

function select(node, chosen, everyone) {
  const list = (numbers) => [...numbers].sort((a, b) => a - b).join(", ");
  const left = [...everyone].filter((number) => !chosen.has(number));
  // Not every frame of a video is shown here, so that others may be in it: whoever was not clicked stays as before.
  const [rule, invert, before] = ["rule", "invert", "numbers"].map((name) => widgetOf(node, name).value);
  const others = rule === "numbers" && !invert && /^\s*(all.*)?$/i.test(before);
  const text = !left.length ? "all" : others && chosen.size ? `all but ${list(left)}` : list(chosen) || "none";
  setWidget(node, "rule", "numbers");
  setWidget(node, "invert", false);
  setWidget(node, "numbers", text);
  node.setDirtyCanvas(true, true);
}

function whenExecuted(node, then) {
  const before = node.onExecuted;
  node.onExecuted = function (output) {
    before?.apply(this, arguments);
    then(output);
  };
}

function addPanel(node, root) {
  const widget = node.addDOMWidget("instmatt_preview", "instmatt_preview", root, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => (root.hidden ? 0 : HEIGHT),
  });
  widget.serialize = false;
  root.hidden = true;
  return () => {
    if (!root.hidden) return;
    root.hidden = false;
    const [width, height] = node.size;
    const needed = node.computeSize();
    node.setSize([Math.max(width, needed[0]), Math.max(height, needed[1])]);
    node.setDirtyCanvas(true, true);
  };
}

app.registerExtension({
  name: "instmatt.preview",
  nodeCreated(node) {
    if (WITH_PEOPLE.includes(node.comfyClass)) {
      const canChoose = node.comfyClass === SELECT;
      const preview = new Preview(canChoose ? (chosen, everyone) => select(node, chosen, everyone) : null);
      const reveal = addPanel(node, preview.root);
      whenExecuted(node, (output) => {
        if (!output?.instmatt?.length) return;
        preview.show(output.instmatt);
        reveal();
      });
    } else if (node.comfyClass === SCORE) {
      const text = make("pre", "instmatt-text");
      const reveal = addPanel(node, text);
      whenExecuted(node, (output) => {
        if (!output?.text) return;
        text.textContent = output.text.join("");
        reveal();
      });
    }
  },
});
