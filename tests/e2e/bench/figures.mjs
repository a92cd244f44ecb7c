// Measured figures, beside their goals and what others need for the same.

/** What a figure is called, and what it may be at most; smaller is better. */
const ROWS = new Map([
    ['start_ready', ['ready after exec', 150]],
    ['start_ready_after_kill', ['ready after exec, killed before', 150]],
    ['rss_idle', ['memory at rest', 30]],
    ['rss_one_page', ['memory with one page', undefined]],
    ['rss_per_page', ['memory for each further idle page', 1]],
    ['ide_usable_cold', ['IDE usable, cold', 2800]],
    ['ide_cpu_cold', ['computed in the page for that', undefined]],
    ['ide_bytes_cold', ['received until usable', 3.2]],
    ['ide_requests_cold', ['requests until usable', undefined]],
    ['ide_bytes_settled', ['received until 3 s later', undefined]],
    ['ide_usable_warm', ['IDE usable, third visit', undefined]],
    ['ide_cpu_warm', ['computed in the page for that', undefined]],
    ['ide_bytes_warm', ['received for that', undefined]],
    ['reconnect', ['online again after 1 s without network', 200]],
    ['reconnect_reset', ['online again after a reset connection', 200]],
    // Nothing tells the page when the network is back: what counts here is how long it waits between its tries.
    ['reconnect_unnoticed', ['the same after 2 s that the browser did not notice', undefined]],
    ['reconnect_restart', ['online again after kill and restart', 200]],
    ['terminal_bytes_lost', ['terminal output lost or doubled by the cuts', 0]],
    ['link_stat', ['stat over the link', undefined]],
    ['link_stat_p99', ['stat over the link, 99 %', undefined]],
    ['key_echo', ['key to its echo in the terminal', undefined]],
    ['key_painted', ['key to its echo on the screen', undefined]],
    ['search_rare', ['text in 50,000 files, 20 matches', undefined]],
    ['search_rare_ratio', ['beside rg', 1.15]],
    ['search_rare_first', ['its first match', 30]],
    ['search_regex', ['regular expression in 50,000 files', undefined]],
    ['search_regex_ratio', ['beside rg', 1.15]],
    ['search_regex_first', ['its first match', 30]],
    ['search_common', ['common word in 50,000 files', undefined]],
    ['search_common_ratio', ['beside rg', 1.15]],
    ['search_common_first', ['its first match', 30]],
    ['git_status', ['git status of 50,000 files', undefined]],
    ['picker_first', ['first question of the picker, 200,000 files', undefined]],
    ['picker_key', ['a key in the picker (beside a run of fd)', 10]],
    ['picker_key_p95', ['a key in the picker, 95 %', 10]],
    ['watch_event', ['change on the disk until the page is told', undefined]],
    ['watch_event_p95', ['the same, 95 %', 50]],
    ['desk_picker', ['file by its name until it is listed', undefined]],
    ['desk_change', ['change on the disk until an editor shows it', undefined]],
    ['desk_search', ['text in 50,000 files until its first row', undefined]],
    ['people_1', ['memory with 1 person', undefined]],
    ['people_10', ['memory with 10 people', undefined]],
    ['people_50', ['memory with 50 people', undefined]],
    ['people_each', ['the server alone, for each of them', 1]],
    ['answer_calm', ['answer to another person, nobody attacks', undefined]],
    ['answer_calm_p99', ['the same, 99 %', undefined]],
    ['answer_loops', ['answer to another person, busy loops', undefined]],
    ['answer_loops_p99', ['the same, 99 %', undefined]],
    ['answer_forks', ['answer to another person, fork bombs', undefined]],
    ['answer_forks_p99', ['the same, 99 %', undefined]],
    ['answer_memory', ['answer to another person, memory bombs', undefined]],
    ['answer_memory_p99', ['the same, 99 %', undefined]],
    ['answer_disk', ['answer to another person, the disk filled', undefined]],
    ['answer_disk_p99', ['the same, 99 %', undefined]],
    ['answer_files', ['answer to another person, files without end', undefined]],
    ['answer_files_p99', ['the same, 99 %', undefined]],
    ['answer_output', ['answer to another person, a flooded terminal', undefined]],
    ['answer_output_p99', ['the same, 99 %', undefined]],
    ['answer_after', ['answer to another person, attacks over', undefined]],
    ['answer_after_p99', ['the same, 99 %', undefined]]
]);

/** Prints each figure as a line of JSON when it is known, and all of them as a table at the end. */
export class Figures {
    constructor() { this.columns = new Map([['ours', new Map()]]); }

    /** One value. */
    value(name, unit, value, who = 'ours') { this.#add(who, { name, unit, value: round(value) }); }

    /** Median and 95th percentile of samples. */
    samples(name, unit, samples, who = 'ours') {
        this.#add(who, { name, unit, p50: round(percentile(samples, 50)), p95: round(percentile(samples, 95)), n: samples.length });
    }
    #add(who, figure) {
        if (!this.columns.has(who)) { this.columns.set(who, new Map()); }
        this.columns.get(who).set(figure.name, figure);
        console.log(JSON.stringify(who === 'ours' ? figure : { peer: who, ...figure }));
    }
    /** Titles of our figures that are worse than their goal. */
    missed() {
        const ours = this.columns.get('ours');
        return [...ROWS].filter(([name, [, limit]]) => ours.has(name) && misses(ours.get(name), limit)).map(([, [title]]) => title);
    }
    table() {
        const [[, ours], ...peers] = this.columns;
        const names = [...ROWS.keys()].filter(name => [...this.columns.values()].some(figures => figures.has(name)));
        const rows = [['', 'ours', 'goal', '', ...peers.map(([who]) => who)]];
        for (const name of names) {
            const [title, limit] = ROWS.get(name);
            const own = ours.get(name);
            const met = limit === undefined || !own ? '' : misses(own, limit) ? 'MISSED' : 'met';
            const goal = limit === undefined ? '' : `<= ${limit} ${own?.unit ?? ''}`;
            rows.push([title, own ? shown(own) : '-', goal, met, ...peers.map(([, figures]) => compared(own, figures.get(name)))]);
        }
        const widths = rows[0].map((_, column) => Math.max(...rows.map(row => row[column].length)));
        return rows.map(row => row.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd()).join('\n');
    }
}

export function percentile(samples, percent) {
    const sorted = [...samples].sort((a, b) => a - b);
    return sorted[Math.ceil((sorted.length - 1) * percent / 100)];
}

function round(value) { return Math.round(value * 1000) / 1000; }
/** What is no number meets no goal. */
function misses(figure, limit) { return limit !== undefined && !(main(figure) <= limit); }
function main(figure) { return figure.p50 ?? figure.value; }

function shown(figure) {
    const number = value => value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);
    const tail = figure.p95 === undefined ? '' : ` (p95 ${number(figure.p95)})`;
    return `${number(main(figure))} ${figure.unit}${tail}`;
}

function compared(own, theirs) {
    if (!theirs) { return '-'; }
    return own && main(own) > 0 ? `${shown(theirs)}, ${(main(theirs) / main(own)).toFixed(1)}x` : shown(theirs);
}
