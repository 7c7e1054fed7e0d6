"use strict";
// Tables that sort by a click on a header (<table data-sortable>) and are copied as text (<table data-copy>).
//
// A cell's data-value is its raw number: it sorts, and CSV has it. data-half is half the width of its interval: CSV gets
// a column for it. data-text stands for the cell's text where that has more than a table should hold.
// A header with data-nosort stays as it is; data-first="ascending" or "descending" is the order of the first click.
// Rows stay in their <tbody>; hidden ones are not copied. After a sort the table gets the event "sorted".
(function () {
	const LATEX = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "±": "$\\pm$", "–": "--", "−": "$-$", "×": "$\\times$", "≥": "$\\geq$", "≤": "$\\leq$" };

	// ---- A table as data.

	/** Return the cells of rows by row and column; a cell that spans several stands in each. */
	function grid(rows) {
		const cells = [...rows].map(() => []);
		[...rows].forEach((row, r) => {
			let column = 0;
			for (const cell of row.cells) {
				while (cells[r][column]) column += 1;
				for (let down = 0; down < cell.rowSpan && r + down < cells.length; down += 1)
					for (let right = 0; right < cell.colSpan; right += 1) cells[r + down][column + right] = cell;
				column += cell.colSpan;
			}
		});
		return cells;
	}

	function text(cell) {
		if (!cell) return "";
		if (cell.dataset.text !== undefined) return cell.dataset.text;
		const copy = cell.cloneNode(true);
		for (const line of copy.querySelectorAll("br")) line.replaceWith(" ");
		return copy.textContent.replace(/\s+/g, " ").trim();
	}

	/** Return what a cell sorts by: a number, a text, or null where it is empty. */
	function key(cell) {
		const raw = cell && cell.dataset.value;
		if (raw !== undefined) return raw === "" || isNaN(raw) ? null : Number(raw);
		const words = text(cell);
		if (words === "" || words === "–" || words === "-") return null;
		const number = /^[-−+]?[\d.,\s]*\d/.exec(words);
		return cell.classList.contains("number") && number ? Number(number[0].replace(/[,\s]/g, "").replace("−", "-")) : words;
	}

	/** Compare two keys; empty ones come last in both directions. */
	function compare(a, b, sign) {
		if (a === null || b === null) return (a === null) - (b === null);
		if (typeof a === "number" && typeof b === "number") return sign * (a - b);
		return sign * String(a).localeCompare(String(b), "en", { numeric: true });
	}

	// ---- Sort.

	/** Sort the rows of a table by a column: sign 1 for ascending, -1 for descending, 0 for the first order. */
	function sort(table, column, sign) {
		for (const body of table.tBodies) {
			const rows = [...body.rows], cells = grid(rows);
			rows.forEach((row, i) => { if (row.dataset.place === undefined) row.dataset.place = i; });
			const keyed = rows.map((row, i) => ({ row, place: Number(row.dataset.place), key: sign ? key(cells[i][column]) : 0 }));
			keyed.sort((a, b) => compare(a.key, b.key, sign) || a.place - b.place);
			body.append(...keyed.map((one) => one.row));
		}
		headers(table).forEach(({ cell }, c) => { if (cell.hasAttribute("aria-sort")) cell.setAttribute("aria-sort", c === column && sign ? (sign > 0 ? "ascending" : "descending") : "none"); });
		table.dispatchEvent(new CustomEvent("sorted", { bubbles: true }));
	}

	/** Return by column the lowest header cell, and whether that column alone is below it. */
	function headers(table) {
		const rows = table.tHead ? grid(table.tHead.rows) : [];
		return (rows[rows.length - 1] || []).map((cell) => ({ cell, single: cell.colSpan === 1 }));
	}

	function makeSortable(table) {
		headers(table).forEach(({ cell, single }, column) => {
			if (!single || cell.hasAttribute("data-nosort") || !text(cell)) return;
			const button = document.createElement("button");
			button.type = "button";
			button.className = "sort";
			button.append(...cell.childNodes);
			cell.append(button);
			cell.setAttribute("aria-sort", "none");
			const first = (cell.dataset.first || (cell.classList.contains("number") ? "descending" : "ascending")) === "ascending" ? 1 : -1;
			button.addEventListener("click", () => {
				const now = { none: 0, ascending: 1, descending: -1 }[cell.getAttribute("aria-sort")];
				sort(table, column, now === 0 ? first : now === first ? -first : 0);
			});
		});
	}

	// ---- Copy.

	/** Return the header rows (lists of [text, columns]), the names of columns, and the rows that are shown. */
	function content(table) {
		const above = table.tHead ? grid(table.tHead.rows) : [];
		const names = (above[above.length - 1] || []).map((_, c) => {
			const cells = [...new Set(above.map((row) => row[c]))].map(text);
			return cells.filter(Boolean).join(", ");
		});
		const rows = [...table.tBodies].flatMap((body) => { const cells = grid(body.rows); return [...body.rows].map((row, r) => ({ row, cells: cells[r] })); });
		return { above, names, rows: rows.filter(({ row }) => getComputedStyle(row).display !== "none").map(({ cells }) => cells) };
	}

	function asCsv(table) {
		const { names, rows } = content(table);
		const halves = names.map((_, c) => rows.some((row) => row[c] && row[c].dataset.half !== undefined));
		const quote = (value) => (/[",\r\n]/.test(value) ? '"' + value.replace(/"/g, '""') + '"' : value);
		const safe = (words) => (/^[=+\-@]/.test(words) && words !== "-" ? "'" + words : words); // no formula of a spreadsheet
		const raw = (cell) => (cell && cell.dataset.value !== undefined ? cell.dataset.value : cell && cell.classList.contains("number") ? text(cell) : safe(text(cell)));
		const lines = [names.map(safe).flatMap((name, c) => (halves[c] ? [name, name + " ±"] : [name]))];
		for (const row of rows) lines.push(names.flatMap((_, c) => (halves[c] ? [raw(row[c]), (row[c] && row[c].dataset.half) || ""] : [raw(row[c])])));
		return lines.map((line) => line.map(quote).join(",") + "\n").join("");
	}

	function asMarkdown(table) {
		const { names, rows } = content(table), right = alignment(table);
		const escape = (value) => value.replace(/[\\`*_[\]<>|]/g, "\\$&");
		const line = (cells) => "| " + cells.join(" | ") + " |\n";
		return line(names.map(escape)) + line(right.map((r) => (r ? "---:" : "---"))) + rows.map((row) => line(names.map((_, c) => escape(text(row[c]))))).join("");
	}

	/** Write a table for LaTeX with the package booktabs. */
	function asLatex(table) {
		const { above, rows, names } = content(table), right = alignment(table);
		const escape = (value) => value.replace(/[\\~^±–−×≥≤&%$#_{}]/g, (c) => LATEX[c] || "\\" + c);
		const end = " \\\\\n";
		const head = above.map((row, r) => {
			const cells = row.filter((cell, c) => cell !== row[c - 1]);
			return cells.map((cell) => {
				const words = above.slice(0, r).some((before) => before.includes(cell)) ? "" : escape(text(cell));
				return cell.colSpan > 1 ? "\\multicolumn{" + cell.colSpan + "}{c}{" + words + "}" : words;
			}).join(" & ") + end;
		}).join("");
		const body = rows.map((row) => names.map((_, c) => escape(text(row[c]))).join(" & ") + end).join("");
		return "\\begin{tabular}{" + right.map((r) => (r ? "r" : "l")).join("") + "}\n\\toprule\n" + head + "\\midrule\n" + body + "\\bottomrule\n\\end{tabular}\n";
	}

	function alignment(table) {
		return headers(table).map(({ cell }) => cell.classList.contains("number"));
	}

	const FORMATS = { CSV: asCsv, Markdown: asMarkdown, LaTeX: asLatex };

	/** Put a text on the clipboard; where the browser forbids it, show it selected. */
	async function copy(words, bar) {
		const old = bar.querySelector("textarea");
		if (old) old.remove();
		try { await navigator.clipboard.writeText(words); return "Copied."; } catch (error) { /* not allowed: the old way */ }
		const area = document.createElement("textarea");
		area.value = words;
		area.readOnly = true;
		area.setAttribute("aria-label", "Text of the table");
		bar.append(area);
		area.select();
		let done = false;
		try { done = document.execCommand("copy"); } catch (error) { /* nor that: the reader copies it */ }
		if (done) area.remove();
		return done ? "Copied." : "Copy the marked text.";
	}

	function makeCopyable(table) {
		const bar = document.createElement("div"), said = document.createElement("span");
		bar.className = "copy bar";
		said.setAttribute("role", "status");
		bar.append("Copy as");
		for (const format in FORMATS) {
			const button = document.createElement("button");
			button.type = "button";
			button.textContent = format;
			button.addEventListener("click", async () => { said.textContent = await copy(FORMATS[format](table), bar); });
			bar.append(button);
		}
		bar.append(said);
		(table.closest(".scroll") || table).after(bar);
	}

	window.sshbenchTables = { sort, asCsv, asMarkdown, asLatex };
	document.querySelectorAll("table[data-sortable]").forEach(makeSortable);
	document.querySelectorAll("table[data-copy]").forEach(makeCopyable);
})();
