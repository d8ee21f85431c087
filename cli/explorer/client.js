// What happens in the page: controls tell the server what was moved, and go where the server puts them.
(() => {
  const controls = () => [...document.querySelectorAll("[data-key]")];
  const own = box => JSON.parse(box.dataset.own);
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  // Where every control stands; what is not here stands where the case has it.
  let at = {};
  function move(box, value) {
    const moved = !same(value, own(box));
    if (moved) at[box.dataset.key] = value; else delete at[box.dataset.key];
    box.classList.toggle("moved", moved);
  }
  function tell(settled) {
    compare();
    send({ moves: { ...at }, settled });
  }

  // What is shown is of where the controls stand, or marked as being worked out.
  const sorted = moves => Object.entries(moves).sort(([a], [b]) => (a < b ? -1 : 1));
  function compare() {
    const shown = document.querySelector("#answer [data-of]");
    const late = !shown || !same(sorted(JSON.parse(shown.dataset.of)), sorted(at));
    document.getElementById("results").setAttribute("aria-busy", late);
  }
  new MutationObserver(compare).observe(document.getElementById("answer"), { childList: true, subtree: true });
  compare();

  // One move at a time: what comes while the server answers is sent when it has, the latest alone.
  let waiting = false, late = null;
  function send(told) {
    if (waiting) { late = { ...told, settled: told.settled || (late !== null && late.settled) }; return; }
    waiting = true;
    Shiny.setInputValue("moved", told, { priority: "event" });
  }
  $(document).on("shiny:idle", () => {
    waiting = false;
    if (late === null) return;
    const told = late;
    late = null;
    send(told);
  });

  function put(box, value) {
    const choice = box.querySelector("select");
    if (choice) { choice.value = [...choice.options].find(o => same(JSON.parse(o.value), value)).value; }
    else for (const input of box.querySelectorAll("input")) input.value = value;
    move(box, value);
  }

  document.addEventListener("input", event => {
    const box = event.target.closest("[data-key]");
    if (!box) return;
    if (event.target.type === "range") {
      const value = Number(Number(event.target.value).toPrecision(10));
      box.querySelector("input[type=number]").value = value;
      move(box, value);
    } else if (event.target.type === "number") {
      if (event.target.value === "") return;
      box.querySelector("input[type=range]").value = event.target.value;
      move(box, Number(event.target.value));
    } else move(box, JSON.parse(event.target.value));
    tell(false);
  });
  document.addEventListener("change", event => {
    if (event.target.closest("[data-key]") && event.target.value !== "") tell(true);
  });
  document.addEventListener("click", event => {
    if (event.target.id !== "copy") return;
    const field = document.getElementById("command");
    field.select();
    navigator.clipboard.writeText(field.value).then(
      () => { document.getElementById("copied").textContent = "Copied."; },
      () => { document.getElementById("copied").textContent = "Press Ctrl-C to copy."; });
  });

  // A browser may keep a page that was left for the way back, its connection open: the program behind
  // it would go on. Whoever comes back begins anew.
  addEventListener("pagehide", () => Shiny.shinyapp?.$socket?.close());
  addEventListener("pageshow", event => { if (event.persisted) location.reload(); });

  Shiny.addCustomMessageHandler("place", moves => {
    for (const box of controls()) put(box, box.dataset.key in moves ? moves[box.dataset.key] : own(box));
    compare();
  });
  Shiny.addCustomMessageHandler("command", told => {
    document.getElementById("command").value = told.text;
    document.getElementById("copied").textContent = "";
    document.getElementById("undo").disabled = !told.undo;
    document.getElementById("reset").disabled = !told.moved;
  });
  Shiny.addCustomMessageHandler("state", told => { document.getElementById("state").textContent = told.text; });
  Shiny.addCustomMessageHandler("marks", ({ marks, note }) => {
    document.getElementById("note").textContent = note;
    for (const box of controls()) {
      const track = box.querySelector(".track");
      if (!track) continue;
      track.querySelectorAll("i").forEach(mark => mark.remove());
      const range = track.querySelector("input"), low = Number(range.min), high = Number(range.max);
      const turns = (marks[box.dataset.key] || []).map(([value, to]) => {
        const part = (value - low) / (high - low);
        if (part >= 0 && part <= 1) {
          const mark = document.createElement("i");
          mark.style.left = `calc(${100 * part}% + ${8 - 16 * part}px - 1px)`;  // a thumb is 16 px wide
          track.append(mark);
        }
        return `${Number(value.toPrecision(4))}: ${to}`;
      });
      box.querySelector(".turns").textContent = turns.length ? `Answer changes at ${turns.join("; at ")}` : "";
    }
  });
})();
