// Answers judged blind: two at a time, by keys; at the end the tally, whose was whose, and a file of the votes.
{
  const desk = document.getElementById("judge");
  const source = document.getElementById("ballot");
  if (desk && source) {
    const { id, original, models, questions, same } = JSON.parse(source.textContent);
    const part = (name) => desk.querySelector(`[data-judge="${name}"]`);
    const prompts = document.querySelectorAll("#answers .prompt");
    // What was chosen for each question so far: left, right or neither.
    const choices = [];
    const answer = (question, whose) =>
      prompts[question.prompt].querySelectorAll("article .said")[question.answers[whose]].textContent;
    const whose = (question, side) => (side === question.original ? "original" : "candidate");
    const better = (question, choice) => (choice === "neither" ? choice : whose(question, choice));
    const element = (name, text) => {
      const made = document.createElement(name);
      made.textContent = text;
      return made;
    };

    const tell = () => {
      const candidates = [...new Set([...questions.map((q) => q.candidate), ...same.map(([, model]) => model)])].sort((a, b) => a - b);
      const rows = candidates.map((candidate) => {
        const votes = (kind) =>
          questions.filter((q, i) => q.candidate === candidate && better(q, choices[i]) === kind).length;
        const alike = same.filter(([, model]) => model === candidate).length;
        const row = document.createElement("tr");
        const head = element("th", models[candidate]);
        head.scope = "row";
        row.append(head, ...[votes("original"), votes("candidate"), votes("neither"), alike].map((n) => {
          const cell = element("td", String(n));
          cell.className = "number";
          cell.dataset.sort = n;
          return cell;
        }));
        return row;
      });
      desk.querySelector("#tally tbody").replaceChildren(...rows);
      const named = (question, side) => models[whose(question, side) === "original" ? original : question.candidate];
      part("key").replaceChildren(...questions.map((q, i) => {
        const chosen = choices[i] === "neither" ? "neither" : named(q, choices[i]);
        const name = prompts[q.prompt].querySelector("h3").textContent;
        return element("li", `${name}: left ${named(q, "left")}, right ${named(q, "right")}; you chose ${chosen}`);
      }));
    };

    const show = () => {
      const question = questions[choices.length];
      part("begin").hidden = true;
      part("question").hidden = !question;
      part("result").hidden = Boolean(question);
      part("save").hidden = choices.length === 0;
      part("bar").value = choices.length;
      part("progress").textContent = `${choices.length} of ${questions.length} judged`;
      if (!question) {
        tell();
        part("result").focus();
        return;
      }
      const left = whose(question, "left");
      part("name").textContent = prompts[question.prompt].querySelector("h3").textContent;
      part("prompt").textContent = prompts[question.prompt].querySelector(".asked").textContent;
      part("left").textContent = answer(question, left);
      part("right").textContent = answer(question, left === "original" ? "candidate" : "original");
      part("question").focus();
    };
    const vote = (choice) => {
      if (choices.length < questions.length) {
        choices.push(choice);
        show();
      }
    };
    const takeBack = () => {
      if (choices.pop()) show();
    };

    // Keys count only while the focus is here, so that they are free everywhere else.
    const keys = new Map([["1", "left"], ["2", "right"], ["0", "neither"]]);
    desk.addEventListener("keydown", (event) => {
      if (part("begin").hidden === false || event.ctrlKey || event.altKey || event.metaKey) return;
      if (keys.has(event.key)) vote(keys.get(event.key));
      else if (event.key === "Backspace") takeBack();
      else return;
      event.preventDefault();
    });
    for (const button of desk.querySelectorAll("[data-vote]")) {
      button.addEventListener("click", () => vote(button.dataset.vote));
    }
    part("begin").addEventListener("click", show);
    part("back").addEventListener("click", takeBack);
    part("save").addEventListener("click", () => {
      const votes = choices.map((choice, i) => {
        const { workload, candidate } = questions[i];
        return { workload, candidate, better: better(questions[i], choice) };
      });
      save("votes.json", `${JSON.stringify({ format: 1, ballot: id, votes }, null, 1)}\n`);
    });
    desk.hidden = false;
    document.getElementById("to-judge").hidden = false;
  }
}
