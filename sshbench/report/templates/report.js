"use strict";
// The page's curves: a cross that reads every run at one place, zoom, hidden runs, and one threshold for all runs.
// Everything is in the page without this script; numbers that it adds are in the element "data".
(function () {
	const holder = document.getElementById("data");
	if (!holder) return;
	const data = JSON.parse(holder.textContent), SVG = "http://www.w3.org/2000/svg";
	const UNITS = 10000, TOP = 1.005, MARGIN = { left: 50, right: 12, top: 10, bottom: 44 }, DRAG = 8;
	const all = (selector, within) => [...(within || document).querySelectorAll(selector)];
	const labels = all("#runs [data-run]").map((one) => one.textContent), hiddenRuns = new Set();

	// ---- Numbers as text; the page itself has them in the same form.

	function percent(value) { return value === null || isNaN(value) ? "–" : (100 * value).toFixed(1); }

	function count(value) {
		if (value === null) return "–";
		const text = Number.isInteger(value) ? String(value) : value.toFixed(1);
		return text.replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
	}

	function score(value) { return value === null || value === undefined ? "–" : String(Number(value.toPrecision(4))); }

	/** Round numbers between two, as the page's own drawing has them. */
	function ticks(low, high, most) {
		const power = Math.pow(10, Math.floor(Math.log10((high - low) / most)));
		const step = [1, 2, 2.5, 5, 10, 20, 50].map((factor) => factor * power).find((one) => Math.floor(high / one + 1e-9) - Math.ceil(low / one - 1e-9) < most);
		const found = [];
		for (let i = Math.ceil(low / step - 1e-9); i <= Math.floor(high / step + 1e-9); i += 1) found.push(Number((i * step).toPrecision(10)));
		return found;
	}

	function make(tag, attributes, parent, text) {
		const element = document.createElementNS(SVG, tag);
		for (const name in attributes) element.setAttribute(name, attributes[name]);
		if (text !== undefined) element.textContent = text;
		if (parent) parent.append(element);
		return element;
	}

	// ---- One figure.

	class Figure {
		constructor(element, number) {
			this.element = element;
			this.of = data.curves[number];
			this.svg = element.querySelector("svg.curves");
			this.plot = this.svg.querySelector("svg.plot");
			this.axes = this.svg.querySelector("g.axes");
			this.dots = all("circle[data-run]", this.svg);
			this.names = all(".axis", this.axes).map((one) => one.textContent);
			this.cross = make("g", { class: "cross" }, this.svg);
			this.box = make("rect", { class: "zoom", visibility: "hidden" }, this.svg);
			this.whole = [0, 0, 1, TOP];
			this.at = null;
			this.show(this.whole);
			new ResizeObserver(() => this.layout()).observe(this.svg);
			this.listen();
		}

		/** Take the size that the figure has on the screen, so that letters stay readable. */
		layout() {
			const width = Math.round(this.svg.getBoundingClientRect().width);
			if (width < 100 || width === this.width) return;
			this.width = width;
			this.height = Math.round(Math.max(0.78 * width, 260));
			this.draw();
		}

		show(view) {
			this.view = view;
			if (this.width) this.draw();
			this.element.classList.toggle("zoomed", view !== this.whole);
		}

		x(value) { return MARGIN.left + ((value - this.view[0]) / (this.view[2] - this.view[0])) * this.inner[0]; }

		y(value) { return MARGIN.top + ((this.view[3] - value) / (this.view[3] - this.view[1])) * this.inner[1]; }

		draw() {
			const [left, low, right, high] = this.view, { width, height } = this;
			this.inner = [width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom];
			this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
			for (const [name, value] of Object.entries({ x: MARGIN.left, y: MARGIN.top, width: this.inner[0], height: this.inner[1] })) this.plot.setAttribute(name, value);
			this.plot.setAttribute("viewBox", [left * UNITS, (1 - high) * UNITS, (right - left) * UNITS, (high - low) * UNITS].join(" "));
			this.axes.replaceChildren();
			const bottom = height - MARGIN.bottom, end = this.of.end, most = width < 360 ? 4 : 6;
			for (const value of ticks(left * end, right * end, most)) {
				const x = this.x(value / end);
				make("path", { class: "rule", d: `M${x},${MARGIN.top}V${bottom}` }, this.axes);
				make("text", { x, y: bottom + 17, "text-anchor": "middle" }, this.axes, value);
			}
			for (const value of ticks(low, high, 6)) {
				const y = this.y(value);
				make("path", { class: "rule", d: `M${MARGIN.left},${y}H${width - MARGIN.right}` }, this.axes);
				make("text", { x: MARGIN.left - 6, y: y + 4, "text-anchor": "end" }, this.axes, value);
			}
			make("text", { class: "axis", x: MARGIN.left + this.inner[0] / 2, y: height - 8, "text-anchor": "middle" }, this.axes, this.names[0]);
			make("text", { class: "axis", transform: `translate(13 ${MARGIN.top + this.inner[1] / 2}) rotate(-90)`, "text-anchor": "middle" }, this.axes, this.names[1]);
			this.dots.forEach((dot) => this.placeDot(dot));
			this.drawCross();
		}

		placeDot(dot) {
			const at = dot.place;
			if (!at || !this.inner) return;
			const inside = at[0] !== null && at[1] !== null && at[0] >= this.view[0] && at[0] <= this.view[2] && at[1] >= this.view[1] && at[1] <= this.view[3];
			dot.setAttribute("visibility", inside ? "visible" : "hidden");
			if (!inside) return;
			dot.setAttribute("cx", this.x(at[0]));
			dot.setAttribute("cy", this.y(at[1]));
		}

		// ---- The cross.

		/** Read all curves at a place of the grid; null takes the cross away. */
		point(at) {
			this.at = at === null ? null : Math.min(Math.max(at, 0), data.grid - 1);
			const words = [], place = this.at === null ? null : (this.at / (data.grid - 1)) * this.of.end;
			for (const row of all("table.reading tbody tr[data-run]", this.element)) {
				const run = Number(row.dataset.run), [value, raw] = this.read(run);
				row.querySelector(".value").textContent = place === null ? "" : percent(value);
				row.querySelector(".raw").textContent = place === null ? "" : score(raw);
				if (!hiddenRuns.has(run)) words.push(`${labels[run]}: ${percent(value)} at score ${score(raw)}`);
			}
			const shown = place === null ? "" : this.of.end === 1 ? percent(place) + " %" : String(place);
			for (const one of all(".place", this.element)) one.textContent = shown || "…";
			this.svg.setAttribute("aria-valuenow", place === null ? 0 : place);
			this.svg.setAttribute("aria-valuetext", place === null ? "no place" : `${this.names[0]} ${shown}. ${words.join(". ")}`);
			this.drawCross();
		}

		read(run) {
			return this.at === null ? [null, null] : [this.of.values[run][this.at], this.of.scores[run][this.at]];
		}

		drawCross() {
			this.cross.replaceChildren();
			if (this.at === null || !this.inner) return;
			const place = this.at / (data.grid - 1);
			if (place < this.view[0] || place > this.view[2]) return;
			make("path", { d: `M${this.x(place)},${MARGIN.top}V${this.height - MARGIN.bottom}` }, this.cross);
			for (const dot of this.dots) {
				const run = Number(dot.dataset.run), [value] = this.read(run);
				if (hiddenRuns.has(run) || value === null || value < this.view[1] || value > this.view[3]) continue;
				make("circle", { class: dot.getAttribute("class").replace("dot", ""), cx: this.x(place), cy: this.y(value), r: 4 }, this.cross);
			}
		}

		listen() {
			const svg = this.svg;
			let start = null;
			for (const [name, value] of Object.entries({ role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": this.of.end, "aria-valuenow": 0, "aria-valuetext": "no place" })) svg.setAttribute(name, value);
			const where = (event) => {
				const box = svg.getBoundingClientRect(), clamp = (part) => Math.min(Math.max(part, 0), 1);
				const x = clamp(((event.clientX - box.left) * (this.width / box.width) - MARGIN.left) / this.inner[0]);
				const y = clamp(((event.clientY - box.top) * (this.height / box.height) - MARGIN.top) / this.inner[1]);
				return { x: this.view[0] + x * (this.view[2] - this.view[0]), y: this.view[3] - y * (this.view[3] - this.view[1]), px: event.clientX, py: event.clientY };
			};
			const frame = (a, b) => [Math.min(a.x, b.x), Math.min(a.y, b.y), Math.max(a.x, b.x), Math.max(a.y, b.y)];
			const far = (a, b) => Math.abs(a.px - b.px) > DRAG && Math.abs(a.py - b.py) > DRAG;
			svg.addEventListener("pointerdown", (event) => {
				if (event.button || event.pointerType === "touch") return;
				start = where(event);
				svg.setPointerCapture(event.pointerId);
			});
			svg.addEventListener("pointermove", (event) => {
				const now = where(event);
				this.point(Math.round(now.x * (data.grid - 1)));
				if (!start || !far(start, now)) { this.box.setAttribute("visibility", "hidden"); return; }
				const [left, low, right, high] = frame(start, now);
				for (const [name, value] of Object.entries({ visibility: "visible", x: this.x(left), y: this.y(high), width: this.x(right) - this.x(left), height: this.y(low) - this.y(high) })) this.box.setAttribute(name, value);
			});
			svg.addEventListener("pointerup", (event) => {
				const now = where(event);
				this.box.setAttribute("visibility", "hidden");
				if (start && far(start, now)) this.show(frame(start, now));
				start = null;
			});
			svg.addEventListener("pointercancel", () => { start = null; this.box.setAttribute("visibility", "hidden"); });
			svg.addEventListener("pointerleave", () => { if (!start && document.activeElement !== svg) this.point(null); });
			svg.addEventListener("dblclick", () => this.show(this.whole));
			svg.addEventListener("keydown", (event) => {
				const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -50, PageUp: 50 }, last = data.grid - 1;
				const first = Math.round(this.view[0] * last), end = Math.round(this.view[2] * last);
				if (event.key === "Escape") { this.point(null); this.show(this.whole); return; }
				if (event.key === "Home") this.point(first);
				else if (event.key === "End") this.point(Math.min(end, last));
				else if (steps[event.key]) this.point(this.at === null ? Math.round((first + end) / 2) : this.at + steps[event.key] * (event.shiftKey ? 10 : 1));
				else return;
				event.preventDefault();
			});
			this.point(null);
		}

		// ---- The threshold.

		/** Move the dots to a step of the threshold for each run, and count there. */
		threshold(steps) {
			for (const row of all("table.counts tbody tr[data-run]", this.element)) {
				const run = Number(row.dataset.run), step = steps[run], counts = this.of.counts[run];
				const right = counts.right[step], wrong = counts.false[step], recall = counts.faces ? right / counts.faces : null;
				const precision = right + wrong ? right / (right + wrong) : null;
				const values = [score(data.steps[step]), count(right), count(wrong), count(counts.faces - right), percent(precision), percent(recall)];
				values.forEach((text, i) => { row.cells[i + 1].textContent = text; });
				const height = counts.heights ? counts.heights[step] : precision;
				const dot = this.dots.find((one) => Number(one.dataset.run) === run);
				dot.place = this.of.end === 1 ? [recall, height] : [wrong / this.of.end, recall];
				this.placeDot(dot);
			}
		}
	}

	const figures = all("figure.curve").map((element, i) => new Figure(element, i));

	// ---- Runs that are hidden.

	function hide(run, off) {
		if (off) hiddenRuns.add(run); else hiddenRuns.delete(run);
		for (const button of all(`#runs button[data-run="${run}"]`)) button.setAttribute("aria-pressed", String(!off));
		for (const one of all(`figure [data-run="${run}"], .counts [data-run="${run}"], .chart [data-run="${run}"]`)) one.classList.toggle("off", off);
		figures.forEach((figure) => figure.drawCross());
	}

	function toggle(run) {
		hide(run, !hiddenRuns.has(run));
		writeHash();
	}

	for (const one of all("#runs [data-run]")) {
		const button = document.createElement("button");
		button.type = "button";
		button.dataset.run = one.dataset.run;
		button.setAttribute("aria-pressed", "true");
		button.append(...one.childNodes);
		one.replaceWith(button);
		button.addEventListener("click", () => toggle(Number(button.dataset.run)));
	}
	for (const name of all("table.reading tr[data-run] .run")) name.addEventListener("click", () => toggle(Number(name.closest("tr").dataset.run)));

	// ---- Buttons and the slider.

	function press(id, action) { const button = document.getElementById(id); if (button) button.addEventListener("click", action); }

	press("corner", () => figures.forEach((figure) => figure.show(figure.of.corner)));
	press("whole", () => figures.forEach((figure) => figure.show(figure.whole)));
	const slider = document.getElementById("threshold"), said = document.getElementById("score");
	let chosen = null; // step of the threshold; null: each run at its own

	function threshold(step) {
		if (!slider) return;
		chosen = step;
		const text = step === null ? "each run at its best F1" : score(data.steps[step]);
		said.textContent = step === null ? text : "score ≥ " + text;
		slider.value = step === null ? data.best[0] : step;
		slider.setAttribute("aria-valuetext", text);
		figures.forEach((figure) => figure.threshold(data.best.map((best) => (step === null ? best : step))));
	}

	if (slider) slider.addEventListener("input", () => { threshold(Number(slider.value)); writeHash(); });
	press("best", () => { threshold(null); writeHash(); });

	// ---- The address holds hidden runs and the threshold; an address without "=" leads to a section.

	function writeHash() {
		const params = new URLSearchParams();
		if (hiddenRuns.size) params.set("hide", [...hiddenRuns].sort((a, b) => a - b).join(" "));
		if (chosen !== null) params.set("threshold", data.steps[chosen]);
		const text = params.toString();
		history.replaceState(null, "", text ? "#" + text : location.pathname + location.search);
	}

	function readHash() {
		const params = new URLSearchParams(location.hash.slice(1)), off = (params.get("hide") || "").split(" ");
		labels.forEach((_, run) => hide(run, off.includes(String(run))));
		const step = data.steps.indexOf(Number(params.get("threshold")));
		threshold(params.has("threshold") && step >= 0 ? step : null);
	}

	window.addEventListener("hashchange", () => { if (location.hash.includes("=")) readHash(); });
	readHash();

	// ---- Long tables are folded until somebody opens them, and open on paper.

	const folded = all("details[data-fold]");
	folded.forEach((one) => { one.open = false; });
	let closed = [];
	window.addEventListener("beforeprint", () => { closed = all("details:not([open])"); closed.forEach((one) => { one.open = true; }); });
	window.addEventListener("afterprint", () => { closed.forEach((one) => { one.open = false; }); });
	document.documentElement.classList.add("scripted");
	window.sshbenchReport = { figures, hide };
})();
