"use strict";
// All that comes from files, classes and the server is set as text, never as markup.
const one = (id) => document.getElementById(id);
let files = [];
let scored = false; // whether a minimum score was chosen
let stream = null;
let running = null; // the request at hand, which a newer one ends

function headers() {
  const token = one("token").value;
  return token ? { Authorization: "Bearer " + token } : {};
}

function tell(text) {
  one("error").textContent = text;
}

function element(name, text, parent) {
  const made = document.createElement(name);
  made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

function query() {
  const words = new URLSearchParams({ drawn: "1" });
  if (scored) words.set("conf", one("conf").value);
  const boxes = [...document.querySelectorAll("#classes input")];
  const chosen = boxes.filter((box) => box.checked);
  if (chosen.length && chosen.length < boxes.length) for (const box of chosen) words.append("classes", box.value);
  return words;
}

function rowsOf(entry) {
  const lists = Object.values(entry).filter((value) => Array.isArray(value) && value.length && typeof value[0] === "object");
  return lists.length ? lists[0] : [];
}

function table(rows, parent) {
  const names = ["class_name", "class", "name", "label", "score", "share", "xyxy", "area"];
  const there = names.filter((name) => rows.some((row) => row[name] !== undefined && row[name] !== null));
  if (!there.length) return;
  const made = element("table", "", parent);
  const head = element("tr", "", made);
  for (const name of there) element("th", name.replace("_", " "), head);
  for (const row of rows.slice(0, 100)) {
    const line = element("tr", "", made);
    for (const name of there) {
      const value = row[name];
      const short = (x) => (typeof x === "number" && !Number.isInteger(x) ? x.toFixed(3) : String(x));
      element("td", Array.isArray(value) ? value.map((x) => Math.round(x)).join(", ") : short(value ?? ""), line);
    }
  }
}

function show(entries) {
  const place = one("results");
  place.replaceChildren();
  for (const entry of entries) {
    const card = element("figure", "", place);
    if (entry.error) {
      element("figcaption", entry.source + ": " + entry.error, card).className = "fault";
      continue;
    }
    if (typeof entry.drawn === "string" && entry.drawn.startsWith("data:image/")) {
      const image = element("img", "", card);
      image.alt = entry.caption || entry.source;
      image.src = entry.drawn;
    }
    element("figcaption", entry.source + (entry.caption ? ": " + entry.caption : ""), card);
    const least = entry.threshold ?? 0; // what scores less is in the response, and not drawn
    table(rowsOf(entry).filter((row) => !(row.score < least)), card);
  }
}

async function predict(blobs) {
  if (!blobs.length) return;
  if (running) running.abort();
  const own = (running = new AbortController());
  const form = new FormData();
  for (const [blob, name] of blobs) form.append("file", blob, name);
  try {
    const response = await fetch("/predict?" + query(), { method: "POST", body: form, headers: headers(), signal: own.signal });
    const found = await response.json();
    if (!response.ok) throw new Error(found.error || String(response.status));
    tell("");
    show(found.predictions);
  } catch (error) {
    if (error.name !== "AbortError") tell(error.message);
  } finally {
    if (running === own) running = null;
  }
}

const again = () => predict(files.map((file) => [file, file.name]));

function choose(list) {
  stop();
  files = [...list];
  again();
}

function stop() {
  if (stream) for (const track of stream.getTracks()) track.stop();
  stream = null;
  one("video").hidden = true;
  one("camera").textContent = "Webcam";
}

async function watch() {
  if (stream) return stop();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: true });
  } catch (error) {
    return tell("no webcam: " + error.message);
  }
  one("camera").textContent = "Stop";
  files = [];
  const video = one("video");
  video.srcObject = stream;
  await video.play();
  const canvas = document.createElement("canvas");
  while (stream) { // the next frame is taken when the last is answered
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
    if (blob) await predict([[blob, "webcam.jpg"]]);
    if (one("error").textContent) return stop();
    await new Promise((done) => setTimeout(done, 30));
  }
}

async function start() {
  const response = await fetch("/info", { headers: headers() });
  const info = await response.json();
  if (!response.ok) return tell(info.error);
  tell("");
  one("model").textContent = info.model;
  one("about").textContent = info.task.replaceAll("_", " ") + ", " + info.class_names.length + " classes, " + info.runtime;
  document.title = info.model;
  if (info.score_threshold !== null && !scored) one("conf").value = info.score_threshold;
  const place = one("classes");
  for (const old of place.querySelectorAll("label")) old.remove();
  for (const name of info.class_names.slice(0, 200)) {
    const label = element("label", "", place);
    const box = element("input", "", label);
    box.type = "checkbox";
    box.checked = true;
    box.value = name;
    box.addEventListener("change", again);
    label.append(" " + name);
  }
}

let waiting = 0;
one("conf").addEventListener("input", () => {
  scored = true;
  one("conf-shown").textContent = Number(one("conf").value).toFixed(2);
  clearTimeout(waiting);
  waiting = setTimeout(again, 150);
});
one("files").addEventListener("change", (event) => choose(event.target.files));
one("camera").addEventListener("click", watch);
one("token").addEventListener("change", start);
for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault());
document.addEventListener("dragover", () => one("drop").classList.add("over"));
document.addEventListener("dragleave", () => one("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  one("drop").classList.remove("over");
  if (event.dataTransfer.files.length) choose(event.dataTransfer.files);
});
start().catch((error) => tell(error.message));
