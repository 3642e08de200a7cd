// Other limits, chosen on the page: finds the program's own answer in its table. Nothing is decided here.
{
  const source = document.getElementById("answers-to-limits");
  const limits = document.getElementById("limits");
  if (source && limits) {
    const table = JSON.parse(source.textContent);
    const inputs = [...limits.querySelectorAll("input")];
    const prefer = document.getElementById("prefer");
    const part = (name) => document.querySelector(`[data-answer=${name}]`);
    const initial = () => [...inputs.map((input) => input.defaultValue), [...prefer.options].find((o) => o.defaultSelected).value];
    // An empty field is the run's own limit, as an option left out is.
    const typed = (input) => input.value.trim() || input.defaultValue;
    const step = ({ turns, at_least, optional, unit }, text) => {
      if (text === "") return 0;
      const limit = Number(text) * unit;
      const passed = turns.filter((turn) => (at_least ? turn < limit : turn <= limit)).length;
      return passed + (optional ? 1 : 0);
    };
    const answer = () => {
      const at = table.steps.map((own, i) => {
        const input = inputs.find((one) => Number(one.dataset.at) === i);
        return step(own, input ? typed(input) : "");
      });
      const plane = table.by[table.prefer.indexOf(prefer.value)][at[0]];
      return table.outcomes[table.rows[table.planes[plane][at[1]]][at[2]]];
    };
    const command = () => {
      const options = inputs.filter(typed).map((input) => `${input.dataset.option} ${typed(input)}${input.dataset.suffix}`);
      const words = ["gguf-bench report run.json --recommend", ...options, `--prefer ${prefer.value}`];
      // An option is not torn from its value where the line breaks.
      return words.flatMap((text) => {
        const word = document.createElement("span");
        word.textContent = text;
        return [word, " "];
      }).slice(0, -1);
    };
    const lines = (list, texts) => {
      list.replaceChildren(...texts.map((text) => {
        const item = document.createElement("li");
        item.textContent = text;
        return item;
      }));
    };
    const draw = ({ drawing, axis: [low, high, from, to], rings }, chosen, kld) => {
      const svg = document.querySelector(`#chart-picture .${drawing} svg`);
      if (!svg) return;
      let ring = svg.querySelector('circle[stroke*="--c-ring"]');
      if (!ring) {
        ring = document.createElementNS(svg.namespaceURI, "circle");
        for (const [name, value] of [["fill", "none"], ["stroke", "var(--c-ring)"], ["stroke-width", "2"]]) ring.setAttribute(name, value);
        svg.append(ring);
      }
      const place = chosen === null ? null : rings[chosen];
      ring.setAttribute("visibility", place ? "visible" : "hidden");
      if (place) ["cx", "cy", "r"].forEach((name, i) => ring.setAttribute(name, place[i]));
      const share = (Math.log(Math.max(kld, Number.MIN_VALUE)) - low) / (high - low);
      const y = Math.round(from + Math.min(1, Math.max(0, share)) * (to - from));
      const beyond = svg.querySelector('[fill*="--c-beyond"]');
      beyond.setAttribute("y", y);
      beyond.setAttribute("height", Math.max(1, to - y));
      for (const mark of svg.querySelectorAll('line[stroke*="--c-limit"], text[fill*="--c-limit"]')) {
        const isText = mark.tagName === "text";
        for (const end of isText ? ["y"] : ["y1", "y2"]) mark.setAttribute(end, isText ? y + 10 : y);
        if (isText) mark.textContent = `limit ${kld}`;
      }
    };
    const show = () => {
      const wrong = inputs.filter((input) => input.validity.badInput || !(Number(typed(input)) >= 0));
      inputs.forEach((input) => input.toggleAttribute("aria-invalid", wrong.includes(input)));
      if (wrong.length) return;
      const { chosen, verdict, because, notes } = answer();
      const now = [...inputs.map(typed), prefer.value];
      part("verdict").textContent = table.words[verdict];
      lines(part("because"), because.map((at) => table.words[at]));
      part("command").replaceChildren(...command());
      part("changed").hidden = now.every((value, i) => value === initial()[i]);
      document.querySelectorAll(".cards > .card").forEach((card, model) => {
        card.classList.toggle("chosen", model === chosen);
        card.querySelector(".pick").hidden = model !== chosen;
        const note = card.querySelector(".because");
        note.textContent = table.words[notes[model]];
        note.hidden = !note.textContent;
      });
      const kld = inputs.find((input) => input.dataset.at === "0");
      if (kld) table.marks.forEach((marks) => draw(marks, chosen, Number(typed(kld))));
    };
    limits.hidden = false;
    limits.addEventListener("input", show);
    part("reset").addEventListener("click", () => {
      inputs.forEach((input) => { input.value = input.defaultValue; });
      prefer.value = initial().at(-1);
      show();
      inputs[0].focus();
    });
    // A browser may have kept what was typed before the page was loaded again.
    show();
  }
}
