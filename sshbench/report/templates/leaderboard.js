"use strict";
// The leaderboard: filters, a plot of any two columns, and the choice in the address. Rows and numbers are read from the
// tables (data-at: value and the ends of its interval), so that the page holds them once.
(function () {
	const NONE = { board: "", sort: "", q: "", domain: "", licence: "", ms: "", mb: "", published: "", x: "", xscale: "", y: "", yscale: "" };
	const LEFT = 58, RIGHT = 18, TOP = 16, BOTTOM = 48; // as in the first drawing
	const LIMITS = { ms: "ms", mb: "weights" }; // fields of the form, and the columns that they limit
	const form = document.getElementById("filters"), tabs = [...document.querySelectorAll(".tabs a")];
	const panels = [...document.querySelectorAll(".panel")].map(read);
	let state = { ...NONE }, sorting = false, width = 0;

	/** Return what a table holds, and where its plot is. */
	function read(section) {
		const table = section.querySelector("table.board"), heads = [...table.tHead.rows[0].cells], svg = section.querySelector(".plot > svg");
		const columns = {};
		heads.forEach((head, index) => {
			const { key, axis } = head.dataset;
			columns[key] = { index, axis, title: head.textContent.replace(/\u00ad/g, ""), less: "less" in head.dataset, log: "log" in head.dataset };
		});
		const rows = [...table.tBodies[0].rows].map((row) => {
			const values = {};
			heads.forEach((head, i) => { if (row.cells[i].dataset.at) values[head.dataset.key] = row.cells[i].dataset.at.split(" ").map(Number); });
			const words = (row.textContent + " " + row.dataset.words).toLowerCase();
			return { ...row.dataset, row, values, words, id: row.id.slice(1), who: row.querySelector(".who"), mark: row.querySelector(".badge") };
		});
		return { section, table, columns, rows, svg, id: section.id.slice(6), tip: section.querySelector(".tip"), count: section.querySelector(".count"), x: svg && svg.dataset.x, y: svg && svg.dataset.y };
	}

	// ---- Functions of numbers only; the first drawing has the same.

	/** Return a scale with a margin on both sides of values; a number of 0 has no logarithm. */
	function scale(values, log, start, end) {
		let low = Math.min(...values), high = Math.max(...values);
		log = log && low > 0;
		const margin = log ? (high > low ? (high / low) ** 0.07 : 1.5) : 0.08 * (high - low) || 0.1 * Math.abs(high) || 1;
		[low, high] = log ? [low / margin, high * margin] : [Math.max(low - margin, Math.min(low, 0)), high + margin];
		const place = log ? Math.log10 : Number;
		return { low, high, log, at: (value) => Math.round(10 * (start + (place(value) - place(low)) / (place(high) - place(low)) * (end - start))) / 10 };
	}

	function ticks({ low, high, log }) {
		const found = [];
		if (log) for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) for (const step of [1, 2, 5]) if (low <= step * 10 ** power && step * 10 ** power <= high) found.push(step * 10 ** power);
		if (found.length > 2) return found;
		const most = 6, power = 10 ** Math.floor(Math.log10((high - low) / most));
		const first = (step) => Math.ceil(low / step - 1e-9), last = (step) => Math.floor(high / step + 1e-9);
		const step = [1, 2, 2.5, 5, 10, 20, 50].map((factor) => factor * power).find((one) => last(one) - first(one) < most);
		return Array.from({ length: last(step) - first(step) + 1 }, (_, i) => Number(((first(step) + i) * step).toFixed(10)));
	}

	/** By domain, the points that no other of the domain beats in both, the best in x first. */
	function fronts(points, lessX, lessY) {
		const across = lessX ? 1 : -1, up = lessY ? 1 : -1, found = {};
		for (const point of [...points].sort((a, b) => across * (a.x - b.x) || up * (a.y - b.y))) {
			if (!point.domain || point.domain === "unknown") continue;
			const best = (found[point.domain] = found[point.domain] || []);
			if (!best.length || up * point.y < up * best[best.length - 1].y) best.push(point);
		}
		return found;
	}

	// ---- The state, which the address holds.

	function readHash() {
		const params = new URLSearchParams(location.hash.slice(1));
		state = { ...NONE };
		for (const name of ["board", "sort", "x", "xscale", "y", "yscale"]) state[name] = params.get(name) || "";
		for (const field of form.elements) {
			if (!field.name) continue;
			field.value = params.get(field.name) || "";
			state[field.name] = field.value || ""; // what the field does not take is dropped
			if (field.selectedIndex === -1) field.value = "";
		}
		for (const name of ["x", "y"]) if (!["log", "linear"].includes(state[name + "scale"])) state[name + "scale"] = "";
		if (!panels.some((panel) => panel.id === state.board)) state.board = "";
	}

	function writeHash() {
		const params = new URLSearchParams();
		for (const name in NONE) if (state[name]) params.set(name, state[name]);
		const hash = "#" + params;
		if (hash === (location.hash || "#")) return;
		try { history.replaceState(null, "", hash); } catch (error) { /* too often: the next one will do */ }
	}

	function shown() {
		return panels.find((panel) => panel.id === state.board) || panels[0];
	}

	/** Return the column on an axis: the chosen one where the board has it, else the board's first. */
	function axis(panel, name) {
		const key = state[name] && panel.columns[state[name]] && panel.columns[state[name]].axis ? state[name] : panel[name];
		const column = panel.columns[key], chosen = key === (state[name] || key) && state[name + "scale"];
		return { key, ...column, log: chosen ? chosen === "log" : column.log };
	}

	function passes(one) {
		if (state.q && !state.q.toLowerCase().split(/\s+/).every((word) => one.words.includes(word))) return false;
		if (one.published && (state.published === "hidden" || (state.published && state.published !== one.published))) return false;
		if ((state.domain && one.domain !== state.domain) || (state.licence && one.licence !== state.licence)) return false;
		return Object.entries(LIMITS).every(([field, key]) => !state[field] || (one.values[key] && one.values[key][0] <= Number(state[field])));
	}

	function apply() {
		const current = shown();
		tabs.forEach((tab) => { if (tab.hash === "#" + current.section.id) tab.setAttribute("aria-current", "true"); else tab.removeAttribute("aria-current"); });
		for (const panel of panels) {
			panel.section.classList.toggle("shown", panel === current);
			let n = 0;
			for (const one of panel.rows) { one.row.hidden = !passes(one); n += !one.row.hidden; }
			panel.count.textContent = n + " of " + panel.rows.length + " rows" + (n ? "" : ": none passes these filters");
			sort(panel);
		}
		drawAll();
		writeHash();
	}

	/** Sort a table as the state says, where it has the column. */
	function sort(panel) {
		const [key, order] = state.sort.split(":"), column = panel.columns[key], now = sorted(panel);
		const wanted = column && ["ascending", "descending"].includes(order) ? state.sort : "";
		if (wanted === now) return;
		sorting = true;
		window.sshbenchTables.sort(panel.table, wanted ? column.index : 0, wanted ? (order === "ascending" ? 1 : -1) : 0);
		sorting = false;
	}

	function sorted(panel) {
		const head = panel.table.tHead.querySelector('[aria-sort="ascending"], [aria-sort="descending"]');
		return head ? head.dataset.key + ":" + head.getAttribute("aria-sort") : "";
	}

	// ---- The plot.

	function element(name, attributes, ...content) {
		const made = document.createElementNS("http://www.w3.org/2000/svg", name);
		for (const one in attributes) made.setAttribute(one, attributes[one]);
		made.append(...content);
		return made;
	}

	function drawAll() {
		const current = shown();
		width = Math.round((current.svg && current.svg.getBoundingClientRect().width) || width || 900);
		const focused = document.activeElement && document.activeElement.id;
		for (const panel of panels) if (panel.svg) draw(panel);
		if (focused && focused[0] === "p" && document.getElementById(focused)) document.getElementById(focused).focus({ preventScroll: true });
	}

	function draw(panel) {
		const x = axis(panel, "x"), y = axis(panel, "y"), { svg } = panel, height = Math.round(Math.min(480, Math.max(300, 0.4 * width)));
		const points = panel.rows.filter((one) => !one.row.hidden && one.values[x.key] && one.values[y.key]);
		for (const one of panel.rows) one.who.removeAttribute("href");
		panel.section.querySelectorAll("[data-axis]:is(select)").forEach((select) => { select.value = select.dataset.axis === "x" ? x.key : y.key; });
		panel.section.querySelectorAll("[data-log]:is(input)").forEach((box) => { box.checked = (box.dataset.log === "x" ? x : y).log; });
		svg.setAttribute("viewBox", "0 0 " + width + " " + height);
		svg.setAttribute("aria-label", y.axis + ", against " + x.axis);
		svg.replaceChildren();
		point(panel, null);
		if (!points.length) { svg.append(element("text", { class: "axis", x: width / 2, y: height / 2 }, "No shown row has both figures.")); return; }
		const every = (key) => points.flatMap((one) => one.values[key]);
		const across = scale(every(x.key), x.log, LEFT, width - RIGHT), up = scale(every(y.key), y.log, height - BOTTOM, TOP);
		const label = (value) => String(Number(value.toPrecision(6)));
		let free = -1e9;
		for (const value of ticks(across)) {
			const at = across.at(value);
			svg.append(element("path", { class: "rule", d: "M" + at + " " + TOP + "V" + (height - BOTTOM) }));
			if (at - 3.5 * label(value).length < free) continue;
			free = at + 3.5 * label(value).length + 4;
			svg.append(element("text", { class: "tick x", x: at, y: height - BOTTOM + 18 }, label(value)));
		}
		for (const value of ticks(up)) svg.append(element("path", { class: "rule", d: "M" + LEFT + " " + up.at(value) + "H" + (width - RIGHT) }), element("text", { class: "tick y", x: LEFT - 8, y: up.at(value), dy: 4 }, label(value)));
		svg.append(element("text", { class: "axis", x: (LEFT + width - RIGHT) / 2, y: height - 8 }, x.axis));
		svg.append(element("text", { class: "axis", transform: "translate(14 " + (TOP + height - BOTTOM) / 2 + ") rotate(-90)" }, y.axis));
		const placed = points.map((one) => {
			const [[xv, ...xs], [yv, ...ys]] = [one.values[x.key], one.values[y.key]], [left, right] = xs.map(across.at), [bottom, top] = ys.map(up.at), [ax, ay] = [across.at(xv), up.at(yv)];
			return { one, domain: one.domain, x: xv, y: yv, across: ax, up: ay, left: left ?? ax, right: right ?? ax, top: top ?? ay, bottom: bottom ?? ay };
		});
		const lines = fronts(placed, x.less, y.less);
		for (const domain in lines) svg.append(element("polyline", { class: "front " + domain.replace(" ", "-"), points: lines[domain].map((one) => one.across + "," + one.up).join(" ") }));
		names(svg, placed, width, height);
		placed.sort((a, b) => Boolean(b.one.published) - Boolean(a.one.published)); // measured ones on top
		for (const at of placed) svg.append(drawn(panel, at, x, y));
	}

	/** Return a point with its whiskers: a link to its row. */
	function drawn(panel, at, x, y) {
		const { one } = at;
		let path = "";
		if (at.right > at.left) for (const end of [at.left, at.right]) path += "M0 0H" + (end - at.across).toFixed(1) + "m0 -4v8";
		if (at.bottom > at.top) for (const end of [at.bottom, at.top]) path += "M0 0V" + (end - at.up).toFixed(1) + "m-4 0h8";
		const told = [y, x].map((column) => column.title + " " + cell(one, column));
		const link = element("a", { class: one.mark.getAttribute("class").replace("badge", "point"), id: "p" + one.id, href: "#" + one.row.id, transform: "translate(" + at.across + " " + at.up + ")", "aria-label": one.id.replace(/.*-/, "") + " " + name(one) + ": " + told.join(", ") });
		if (path) link.append(element("path", { class: "whisker", d: path }));
		link.append(...[...one.mark.children].map((child) => child.cloneNode(true)));
		one.who.setAttribute("href", "#p" + one.id);
		for (const event of ["mouseenter", "focus"]) link.addEventListener(event, () => { point(panel, one); tell(panel, at, told, one); });
		for (const event of ["mouseleave", "blur"]) link.addEventListener(event, () => point(panel, null));
		return link;
	}

	function cell(one, column) {
		return [...one.row.cells[column.index].childNodes].map((node) => node.textContent).filter(Boolean).join(" ").replace(/ (\d.*)$/, " ($1)");
	}

	function name(one) {
		return one.row.cells[0].dataset.text;
	}

	/** Write the names of points beside them where there is room: right, left, above or below. */
	function names(svg, placed, wide, high) {
		const taken = placed.flatMap((at) => [[at.across - 12, at.up - 12, at.across + 12, at.up + 12], [at.left, at.up - 4, at.right, at.up + 4], [at.across - 4, at.top, at.across + 4, at.bottom]]);
		for (const at of placed) {
			const text = at.one.row.querySelector("bdi").textContent, half = 3.2 * text.length + 2;
			const right = Math.max(14, at.right - at.across + 4), left = Math.min(-14, at.left - at.across - 4), above = Math.min(-16, at.top - at.up - 4), below = Math.max(24, at.bottom - at.up + 14);
			const spots = [[right, 4, "start", right, right + 2 * half], [left, 4, "end", left - 2 * half, left], [0, above, "middle", -half, half], [0, below, "middle", -half, half]];
			for (const [dx, dy, anchor, from, to] of spots) {
				const box = [at.across + from, at.up + dy - 11, at.across + to, at.up + dy + 3];
				if (box[0] < LEFT || box[2] > wide - RIGHT || box[1] < TOP || box[3] > high - BOTTOM) continue;
				if (taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) continue;
				taken.push(box);
				svg.append(element("text", { class: "called", "data-of": at.one.id, x: at.across + dx, y: at.up + dy, "text-anchor": anchor, "aria-hidden": "true" }, text));
				break;
			}
		}
	}

	/** Mark a row and its point; null: none. */
	function point(panel, one) {
		if (panel.tip) panel.tip.hidden = true;
		for (const old of panel.section.querySelectorAll(".on")) old.classList.remove("on");
		const found = one && document.getElementById("p" + one.id);
		if (panel.svg) panel.svg.classList.toggle("linked", Boolean(found));
		if (!one) return;
		one.row.classList.add("on");
		if (found) found.classList.add("on");
		const called = panel.svg && panel.svg.querySelector('[data-of="' + one.id + '"]');
		if (called) called.classList.add("on");
	}

	function tell(panel, at, told, one) {
		const { tip } = panel, title = document.createElement("b"), right = at.across > width / 2;
		title.textContent = name(one);
		tip.replaceChildren(title, told.join(" · "), document.createElement("br"), one.published ? "published" + (one.row.querySelector(".small bdi").textContent && ", " + one.row.querySelector(".small bdi").textContent) : one.domain === "unknown" ? "training data unknown" : one.domain);
		tip.hidden = false;
		tip.style.left = right ? "auto" : at.across + 18 + "px";
		tip.style.right = right ? width - at.across + 18 + "px" : "auto";
		tip.style.top = Math.max(0, at.up - 20) + "px";
	}

	/** Go to a part of the page that a link names, and to the board that it is on. */
	function go(id) {
		const target = document.getElementById(id), panel = target && panels.find((one) => one.section.contains(target));
		if (!target) return;
		if (panel && panel !== shown()) { state.board = panel.id; apply(); }
		if (target.classList.contains("panel")) return;
		target.scrollIntoView({ block: "nearest" });
		const focus = target.matches("tr") ? target.querySelector(".who") : target;
		focus.focus({ preventScroll: true });
	}

	// ---- Start.

	document.documentElement.classList.add("scripted");
	for (const panel of panels) {
		const { section, table } = panel;
		section.addEventListener("change", ({ target }) => {
			const { axis: chosen, log } = target.dataset;
			if (chosen) { state[chosen] = target.value === panel[chosen] ? "" : target.value; state[chosen + "scale"] = ""; }
			if (log) { const was = panel.columns[axis(panel, log).key].log; state[log + "scale"] = target.checked === was ? "" : target.checked ? "log" : "linear"; }
			if (chosen || log) apply();
		});
		table.addEventListener("sorted", () => { if (!sorting) { state.sort = sorted(panel); apply(); } });
		for (const one of panel.rows) {
			for (const event of ["mouseenter", "focusin"]) one.row.addEventListener(event, () => point(panel, one));
			for (const event of ["mouseleave", "focusout"]) one.row.addEventListener(event, () => point(panel, null));
		}
	}
	form.addEventListener("submit", (event) => event.preventDefault());
	form.addEventListener("input", () => { for (const field of form.elements) if (field.name) state[field.name] = field.value; apply(); });
	form.addEventListener("reset", () => { state = { ...NONE, board: state.board }; setTimeout(apply); });
	document.addEventListener("click", (event) => {
		const link = event.target.closest('a[href^="#"]');
		if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
		event.preventDefault();
		go(link.getAttribute("href").slice(1));
	});
	window.addEventListener("hashchange", follow);
	new ResizeObserver(() => { const { svg } = shown(); if (svg && Math.abs(svg.getBoundingClientRect().width - width) > 1) drawAll(); }).observe(document.querySelector("main"));

	function follow() {
		const id = location.hash.slice(1);
		if (id && !id.includes("=") && document.getElementById(id)) { apply(); go(id); writeHash(); } else { readHash(); apply(); }
	}
	follow();
})();
