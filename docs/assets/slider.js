// A before/after slider: <div class="before-after" markdown> around two pictures, whose alt texts are the labels.
// Without JavaScript the two pictures stand below each other.
"use strict";

for (const box of document.querySelectorAll(".before-after")) {
  const [over, under] = box.querySelectorAll("img");
  if (!under) continue;
  const add = (parent, tag, name, text) => {
    const child = document.createElement(tag);
    child.className = name;
    child.textContent = text || "";
    parent.appendChild(child);
    return child;
  };
  const stage = document.createElement("div");
  stage.className = "stage";
  over.classList.add("over");
  stage.append(under, over);
  box.replaceChildren(stage);
  add(add(stage, "div", "line"), "span", "knob", "⇔");
  add(stage, "span", "tag l", over.alt);
  add(stage, "span", "tag r", under.alt);
  const position = add(box, "input", "position");
  Object.assign(position, { type: "range", min: 0, max: 100, value: 50 });
  position.setAttribute("aria-label", `Position of the line between ${over.alt} and ${under.alt}`);

  const place = () => {
    box.style.setProperty("--x", `${position.value}%`);
    position.setAttribute("aria-valuetext", `${position.value}% ${over.alt}, the rest ${under.alt}`);
  };
  const follow = (event) => {
    const { left, width } = stage.getBoundingClientRect();
    position.value = Math.round((100 * (event.clientX - left)) / width);
    place();
  };
  position.addEventListener("input", place);
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    stage.setPointerCapture(event.pointerId);
    follow(event);
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) follow(event);
  });
  place();
  box.classList.add("ready");
}
