"use strict";
// Opened from disk: a classic script that fetches nothing and reads no pixels back.
(function () {
	const SINGLE = { sort: "rank", view: "items", low: "", high: "", open: "", at: "", hide: "" };
	const RIGHT = 1, NEUTRAL = 2; // types of detections; higher ones are false

	// ---- Functions that tests call, too.

	/** Counts of an image at a score, and the faces found. */
	function countImage(image, threshold) {
		const found = new Set();
		let right = 0, wrong = 0, missed = 0;
		for (const d of image.detections) { // by falling score
			if (d[4] < threshold) break;
			if (d[5] === RIGHT) { right += 1; found.add(d[6]); } else if (d[5] > NEUTRAL) wrong += 1;
		}
		image.faces.forEach((face, i) => { if (face[4] && !found.has(i)) missed += 1; });
		return { right, wrong, missed, found };
	}

	/** Items that pass; by filter and part, how many pass the other filters. */
	function tally(items, facets, chosen, low, high) {
		const counts = facets.map((facet) => new Array(facet.parts.length).fill(0)), passed = [];
		for (const item of items) {
			if (low + high && item.score === null) continue;
			if ((low && item.score < low) || (high && item.score > high)) continue;
			let fails = 0, failing = -1;
			facets.forEach((facet, f) => {
				if (chosen[f].size && !facet.of(item).some((part) => chosen[f].has(part))) { fails += 1; failing = f; }
			});
			if (!fails) passed.push(item);
			if (fails > 1) continue;
			facets.forEach((facet, f) => {
				if (!fails || f === failing) for (const part of facet.of(item)) counts[f][part] += 1;
			});
		}
		return { counts, passed };
	}

	const SORTS = {
		rank: ["rank of their type", (a, b) => a.rank - b.rank],
		cost: ["cost", by("cost", -1)], surprise: ["surprise", by("surprise", -1)], score: ["score", by("score", -1)],
		height: ["height, small first", by("height", 1)], iou: ["IoU", by("iou", 1)],
		image: ["image", (a, b) => (a.key < b.key ? -1 : +(a.key > b.key))],
	};

	const IMAGE_SORTS = {
		errors: ["missed + false", (a, b) => b.missed + b.false - a.missed - a.false],
		influence: ["influence, harmful first", by("influence", 1)],
	};

	/** Compare by a number; items without it come last. */
	function by(name, sign) {
		return (a, b) => (a[name] === null) - (b[name] === null) || sign * (a[name] - b[name]);
	}

	/** At most n scores from low to high, the threshold among them. */
	function sliderSteps(images, threshold, n) {
		const scores = images.flatMap((image) => image.detections.map((d) => d[4])).sort((a, b) => a - b);
		const steps = new Set([threshold]);
		for (let i = 0; i < n && scores.length; i += 1) steps.add(scores[Math.floor((i * (scores.length - 1)) / (n - 1))]);
		return [...steps].sort((a, b) => a - b);
	}

	if (typeof module !== "undefined") { module.exports = { countImage, tally, sliderSteps, SORTS }; return; }

	// ---- Data.

	const runs = [];
	while (window["sshbenchRun" + runs.length]) runs.push(window["sshbenchRun" + runs.length]);
	if (!runs.length) return;
	const $ = (id) => document.getElementById(id);
	const kinds = runs[0].kinds, kindOf = Object.fromEntries(kinds.map((kind, i) => [kind[0], i]));
	const all = (list) => runs.flatMap((run, r) => run[list].map((one) =>
		Object.assign(one, { run: r, key: run.images[one.image].key, id: [r, one.kind, one.rank].join(".") })));
	const items = all("items"), entries = all("ranking"); // entries have no kind
	const types = { name: "type", parts: kinds.map((kind) => kind[1]), of: (item) => [kindOf[item.kind]] }, facets = [types];
	if (runs.length > 1) {
		const labels = runs.map((run) => run.label);
		facets.unshift({ name: "run", parts: labels, of: (item) => [item.run] });
		const both = runs.length === 2 ? "both" : "several runs";
		facets.push({ name: "which runs", parts: [...labels.map((label) => "only " + label), both],
			of: (item) => [item.others.length ? runs.length : item.run] });
	}
	runs[0].facets.forEach(([name, parts], i) => facets.push({ name, parts, of: (item) => item.parts[i] }));
	const steps = runs.map((run) => sliderSteps(run.images, run.threshold, 400));

	// ---- State, which the address holds.

	let state = {}, chosen = [], list = [], drawn = 0;
	const watch = new IntersectionObserver((seen) => { if (seen.pop().isIntersecting) more(); }, { rootMargin: "300px" });

	function readHash() {
		const params = new URLSearchParams(location.hash.slice(1));
		state = {};
		for (const name in SINGLE) state[name] = params.get("_" + name) || SINGLE[name];
		for (const name of ["low", "high"]) if (isNaN(+state[name])) state[name] = "";
		chosen = facets.map((facet) => new Set(params.getAll(facet.name).map((part) => facet.parts.indexOf(part)).filter((p) => p >= 0)));
	}

	function writeHash() {
		const params = new URLSearchParams();
		facets.forEach((facet, f) => chosen[f].forEach((part) => params.append(facet.name, facet.parts[part])));
		for (const name in SINGLE) if (state[name] !== SINGLE[name]) params.set("_" + name, state[name]);
		const hash = "#" + params;
		if (hash === (location.hash || "#")) return;
		try { history.replaceState(null, "", hash); } catch (error) { /* too often: the next one will do */ }
	}

	function threshold(run) {
		return +(state.at.split(",")[run] || runs[run].threshold);
	}

	// ---- Filters and grid.

	function make(tag, attributes, ...children) {
		const element = document.createElement(tag);
		for (const name in attributes || {}) element.setAttribute(name, attributes[name]);
		element.append(...children);
		return element;
	}

	function on(element, type, action) { element.addEventListener(type, action); return element; }

	function name(text) { return make("bdi", null, text); }

	const boxes = facets.map((facet, f) => facet.parts.map((part, p) => {
		const input = make("input", { type: "checkbox" }), n = make("span", { class: "n" });
		on(input, "change", () => { chosen[f][input.checked ? "add" : "delete"](p); update(); });
		return { input, n, label: make("label", null, input, name(part), n) };
	}));
	const range = ["low", "high"].map((end) => on($(end), "change", () => { state[end] = $(end).value; update(); }));
	facets.forEach((facet, f) => {
		const parts = make("div", { class: "parts" }, ...boxes[f].map((box) => box.label));
		$("filters").append(make("fieldset", null, make("legend", null, facet.name), parts));
	});

	function update() {
		const images = state.view === "images";
		const { counts, passed } = tally(items, facets, chosen, state.low, state.high);
		boxes.forEach((parts, f) => parts.forEach((b, p) => {
			b.input.checked = chosen[f].has(p);
			b.n.textContent = counts[f][p];
			b.label.className = counts[f][p] ? "" : "none";
			b.label.hidden = !counts[f][p] && !chosen[f].has(p) && parts.length > 12;
		}));
		range.forEach((input) => { input.value = state[input.id]; });
		const sorts = images ? IMAGE_SORTS : SORTS;
		if (!sorts[state.sort]) state.sort = Object.keys(sorts)[0];
		$("sort").replaceChildren(...Object.entries(sorts).map(([value, [text]]) => make("option", { value }, text)));
		$("sort").value = state.sort;
		const ofRun = (entry) => runs.length === 1 || !chosen[0].size || chosen[0].has(entry.run);
		list = (images ? entries.filter(ofRun) : passed).sort(sorts[state.sort][1]);
		$("show-items").setAttribute("aria-pressed", !images);
		$("show-images").setAttribute("aria-pressed", images);
		$("count").textContent = images ? list.length + " images" : list.length + " of " + items.length + " items";
		drawn = 0;
		$("cells").replaceChildren();
		$("rows").replaceChildren();
		$("ranking").hidden = !images;
		more();
		if (opened && state.open === opened.id) refresh();
		else show(state.open);
	}

	function more() {
		const part = list.slice(drawn, (drawn += 60));
		if (state.view === "images") $("rows").append(...part.map(rankingRow));
		else $("cells").append(...part.map(cell));
		$("more").hidden = drawn >= list.length;
		watch.unobserve($("more")); // to be told anew, also where it is still in view
		watch.observe($("more"));
	}

	/** An outline on a crop. */
	function outline(item, box, className) {
		const [left, top, side] = item.square, css = (v) => (100 * v) / side + "%";
		const mark = make("i", { class: className }), [x1, y1, x2, y2] = box;
		mark.style.cssText = `left:${css(x1 - left)};top:${css(y1 - top)};width:${css(x2 - x1)};height:${css(y2 - y1)}`;
		return mark;
	}

	function sheetOf(item) {
		const { files, cell: [size, row] } = runs[item.run], number = Math.floor(item.crop / row ** 2), place = item.crop % row ** 2;
		return { source: `crops/${files}-${number}.jpg`, x: size * (place % row), y: size * Math.floor(place / row), size };
	}

	function short(value, digits) { return value === null ? "" : String(+value.toPrecision(digits || 3)); }

	function cell(item) {
		const kind = kinds[kindOf[item.kind]], crop = make("span", { class: "crop" });
		if (item.crop !== null) {
			const sheet = sheetOf(item);
			crop.style.background = `url("${sheet.source}") -${sheet.x}px -${sheet.y}px`;
		}
		if (item.near) crop.append(outline(item, item.near, "near"));
		crop.append(outline(item, item.box, kind[3]));
		const first = kind[1] + (runs.length > 1 ? ", " + runs[item.run].label : "");
		const second = (item.score === null ? "no score" : "score " + short(item.score)) + ", " + short(item.height) + " px";
		const button = make("button", { class: "cell", title: item.key },
			crop, make("span", null, name(first)), make("span", null, second));
		return on(button, "click", () => show(item.id));
	}

	function rankingRow(entry) {
		const button = on(make("button", null, name(entry.key)), "click", () => show(entry.id));
		const numbers = [entry.missed, entry.false, entry.right, entry.influence].map((n) => make("td", { class: "number" }, n));
		return make("tr", null, make("td", null, button), make("td", null, name(runs[entry.run].label)), ...numbers);
	}

	// ---- One image, with the boxes of each run.

	const COLOURS = { right: "#00c49e", missed: "#ffb000", false: "#e650cc", found: "#56b4e9", neutral: "#9ca3af", ignored: "#9ca3af" };
	const loaded = {};
	let opened = null, part = null, panes = [], camera = { x: 0, y: 0, scale: 1 };

	const layers = [...$("layers").querySelectorAll("input")];
	on($("layers"), "change", () => {
		state.hide = layers.filter((input) => !input.checked).map((input) => input.value).join(",");
		refresh();
	});

	function picture(source) {
		if (!source) return null;
		if (!loaded[source]) { loaded[source] = new Image(); loaded[source].onload = draw; loaded[source].src = source; }
		return loaded[source].complete && loaded[source].naturalWidth ? loaded[source] : null;
	}

	function show(id) {
		opened = (id && [...items, ...entries].find((one) => one.id === id)) || null;
		state.open = opened ? opened.id : "";
		writeHash();
		if (!opened) { if ($("viewer").open) $("viewer").close(); return; }
		if (!$("viewer").open) $("viewer").showModal();
		$("viewer-title").replaceChildren(opened.kind ? kinds[kindOf[opened.kind]][1] + ": " : "", name(opened.key));
		if (runs.length > 2 || !panes.length) {
			panes = (runs.length === 2 ? [0, 1] : [opened.run]).map(pane);
			$("panes").replaceChildren(...panes.map((one) => one.element));
		}
		const values = [["run", runs[opened.run].label]];
		if (opened.kind) {
			const { rank, score, height, box, iou, cost, surprise, others, parts } = opened;
			values.push(["rank", rank + 1], ["score", short(score, 4)], ["pixels high", short(height, 4)], ["box", box.join(" ")]);
			values.push(["IoU", short(iou)], ["cost", cost === null ? "" : short(1e4 * cost) + " hundredths of a point"]);
			values.push(["recall of such faces", surprise === null ? "" : short(100 * surprise) + " %"]);
			values.push(["also in", others.map((run) => runs[run].label).join(", ")]);
			runs[0].facets.forEach(([title, names], i) => values.push([title, parts[i].map((part) => names[part]).join(", ")]));
		} else {
			for (const name of ["missed", "false", "right", "influence"]) values.push([name, opened[name]]);
		}
		$("values").replaceChildren(...values.filter(([, value]) => value !== "").map(([key, value]) =>
			make("div", null, make("dt", null, key), make("dd", null, name(value)))));
		const at = list.indexOf(opened);
		$("place").textContent = at < 0 ? "" : at + 1 + " of " + list.length;
		fit();
	}

	function step(by) {
		const at = list.indexOf(opened) + by;
		if (list[at]) show(list[at].id);
	}

	function pane(run) {
		const canvas = make("canvas", { role: "img" }), out = make("output", { "aria-live": "polite" });
		const slider = make("input", { type: "range", max: steps[run].length - 1, "aria-label": "threshold of " + runs[run].label });
		on(slider, "input", () => {
			const at = runs.map((one, r) => state.at.split(",")[r] || "");
			at[run] = steps[run][+slider.value];
			state.at = at.join(",");
			refresh();
		});
		on(canvas, "wheel", (event) => {
			event.preventDefault();
			zoom(1.2 ** -Math.sign(event.deltaY), event.offsetX, event.offsetY);
		});
		on(canvas, "pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
		on(canvas, "pointermove", (event) => {
			if (event.buttons) { camera.x -= event.movementX / camera.scale; camera.y -= event.movementY / camera.scale; draw(); }
		});
		return { run, canvas, slider, out, element: make("div", { class: "pane" }, name(runs[run].label), canvas, slider, out) };
	}

	function zoom(factor, x = panes[0].canvas.clientWidth / 2, y = panes[0].canvas.clientHeight / 2) {
		camera.x += x / camera.scale * (1 - 1 / factor);
		camera.y += y / camera.scale * (1 - 1 / factor);
		camera.scale *= factor;
		draw();
	}

	/** Look at a part of the image, or at all of it. */
	function fit(box) {
		part = box;
		const { clientWidth: width, clientHeight: height } = panes[0].canvas, size = runs[0].sizes[opened.image];
		const [x1, y1, x2, y2] = box || [0, 0, size[0], size[1]], scale = Math.min(width / (x2 - x1), height / (y2 - y1)) || 1;
		camera = { scale, x: (x1 + x2 - width / scale) / 2, y: (y1 + y2 - height / scale) / 2 };
		refresh();
	}

	function zoomToItem() {
		if (!opened.kind) return fit();
		const [left, top, side] = opened.square;
		fit([left - side / 2, top - side / 2, left + 1.5 * side, top + 1.5 * side]);
	}

	/** Count again and draw. */
	function refresh() {
		layers.forEach((input) => { input.checked = !state.hide.split(",").includes(input.value); });
		for (const { run, slider, out, canvas } of panes) {
			const images = runs[run].images, least = threshold(run), text = (c) => `${c.right} right, ${c.wrong} false, ${c.missed} missed`;
			slider.value = steps[run].filter((score) => score < least).length;
			const total = { right: 0, wrong: 0, missed: 0 };
			for (const image of images) {
				const counts = countImage(image, least);
				for (const name in total) total[name] += counts[name];
			}
			const here = text(countImage(images[opened.image], least));
			slider.setAttribute("aria-valuetext", "score " + short(least, 4));
			out.textContent = `Score from ${short(least, 4)}: ${here} in this image; ${text(total)} in all ${images.length} images of this page.`;
			canvas.setAttribute("aria-label", `${opened.key} with the boxes of ${runs[run].label}: ${here}`);
		}
		draw();
		writeHash();
	}

	function draw() { if (opened) for (const one of panes) drawPane(one); }

	function drawPane({ run, canvas }) {
		const ratio = window.devicePixelRatio, context = canvas.getContext("2d"), hidden = state.hide.split(",");
		canvas.width = canvas.clientWidth * ratio;
		canvas.height = canvas.clientHeight * ratio;
		const k = camera.scale * ratio, X = (x) => (x - camera.x) * k, Y = (y) => (y - camera.y) * k;
		const [width, height, source] = runs[run].sizes[opened.image], image = runs[run].images[opened.image];
		context.fillStyle = "#374151";
		context.fillRect(X(0), Y(0), width * k, height * k);
		const whole = picture(source);
		if (whole) context.drawImage(whole, X(0), Y(0), width * k, height * k);
		if (opened.kind && opened.crop !== null) { // where the crop is sharper than the smaller copy
			const sheet = sheetOf(opened), crops = picture(sheet.source), [left, top, side] = opened.square;
			if (crops && whole && sheet.size / side > whole.naturalWidth / width) {
				context.globalCompositeOperation = "source-atop"; // not beyond the image
				context.drawImage(crops, sheet.x, sheet.y, sheet.size, sheet.size, X(left), Y(top), side * k, side * k);
				context.globalCompositeOperation = "source-over";
			}
		}
		const stroke = (box, layer, dash, line) => {
			if (hidden.includes(layer)) return;
			const at = [X(box[0]), Y(box[1]), (box[2] - box[0]) * k, (box[3] - box[1]) * k];
			const pen = (width, colour, dashes) => {
				Object.assign(context, { lineWidth: width * ratio, strokeStyle: colour });
				context.setLineDash(dashes.map((d) => d * ratio));
				context.strokeRect(...at);
			};
			if (Math.min(at[2], at[3]) > 24 * ratio) pen(line + 2, "rgba(0,0,0,.5)", []);
			pen(line, COLOURS[layer], dash);
		};
		const least = threshold(run), { found } = countImage(image, least);
		image.faces.forEach((face, i) => {
			if (!face[4]) stroke(face, "ignored", [2, 3], 1);
			else if (found.has(i)) stroke(face, "found", [1, 2], 1);
		});
		for (const d of image.detections) {
			if (d[4] < least) break;
			stroke(d, d[5] === RIGHT ? "right" : d[5] === NEUTRAL ? "neutral" : "false", d[5] === NEUTRAL ? [6, 2] : [], 2);
		}
		image.faces.forEach((face, i) => { if (face[4] && !found.has(i)) stroke(face, "missed", [4, 4], 2); });
		if (opened.kind) { // the ring around the item
			const [x1, y1, x2, y2] = opened.box, radius = (Math.hypot(x2 - x1, y2 - y1) / 2) * k + 6 * ratio;
			context.setLineDash([]);
			for (const [line, colour] of [[5, "rgba(0,0,0,.6)"], [2, opened.run === run ? "#ffffff" : "#9ca3af"]]) {
				Object.assign(context, { lineWidth: line * ratio, strokeStyle: colour });
				context.beginPath();
				context.arc(X((x1 + x2) / 2), Y((y1 + y2) / 2), radius, 0, 2 * Math.PI);
				context.stroke();
			}
		}
	}

	// ---- Buttons and keys.

	function copy() {
		const text = [...new Set(list.map((one) => one.key))].join("\n") + "\n", area = make("textarea", { "aria-hidden": "true" });
		area.value = text;
		document.body.append(area);
		area.select();
		const done = document.execCommand("copy");
		area.remove();
		$("count").textContent = done ? text.trim().split("\n").length + " keys copied" : "copying refused";
	}

	function moveFocus(key) {
		const cells = [...$("grid").querySelectorAll("button")], at = cells.indexOf(document.activeElement);
		const columns = cells.filter((one) => one.offsetTop === cells[0].offsetTop).length || 1;
		const to = at < 0 ? 0 : at + { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
		if (to >= cells.length && drawn < list.length) { more(); return moveFocus(key); }
		if (cells[to]) cells[to].focus();
	}

	on(document, "keydown", (event) => {
		const { key, target } = event, dialog = document.querySelector("dialog[open]"), focus = document.activeElement;
		if (/^(INPUT|SELECT)$/.test(target.tagName) && target.type !== "checkbox") return;
		if (event.ctrlKey || event.metaKey || event.altKey) return;
		const button = [...(dialog || $("app")).querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
		if (button) button.click();
		else if (!dialog && /^[1-9]$/.test(key)) boxes[facets.indexOf(types)][key - 1].input.click();
		else if (!dialog && /^Arrow/.test(key) && (focus === document.body || $("grid").contains(focus))) moveFocus(key);
		else return;
		event.preventDefault();
	});
	for (const [id, action] of Object.entries({
		"show-items": () => { state.view = "items"; update(); }, "show-images": () => { state.view = "images"; update(); },
		copy, more, previous: () => step(-1), next: () => step(1), "to-item": zoomToItem, "to-image": () => fit(),
		"zoom-in": () => zoom(1.2), "zoom-out": () => zoom(1 / 1.2), close: () => $("viewer").close(), ask: () => $("help").showModal(),
		reset: () => { chosen.forEach((parts) => parts.clear()); state.low = state.high = ""; update(); },
	})) on($(id), "click", action);
	on($("sort"), "change", () => { state.sort = $("sort").value; update(); });
	on($("viewer"), "close", () => { opened = null; state.open = ""; writeHash(); });
	new ResizeObserver(() => { if (opened) fit(part); }).observe($("panes"));
	on(window, "hashchange", () => { readHash(); update(); });
	$("side").open = innerWidth >= 768;
	$("table").open = false;
	$("app").hidden = false;
	readHash();
	update();
})();
