// Terminals as a person has them: programs to choose from, ends that say what happened, a reload, a server and a supervisor that are killed
// under them, floods of output, and places in files that output names.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import { launch, open, picture } from './harness/browser.mjs';
import { Ide } from './harness/ide.mjs';
import { Person } from './harness/person.mjs';
import { eventually, isAlive, residentBytes } from './harness/process.mjs';
import { Stack } from './harness/stack.mjs';
import { steps } from './harness/steps.mjs';

/** Longest time from Ctrl+C to the prompt, under a flood of output, in milliseconds: what is on its way to the page is drawn first. */
const INTERRUPT_LIMIT_MS = 2000;
/** How much that may be, in bytes. */
const ON_ITS_WAY_LIMIT_BYTES = 1.5 * 1024 * 1024;
/** Longest time that the page may stand still under a flood, in milliseconds. (The machine may be busy with other things, too.) */
const FRAME_LIMIT_MS = 1000;
/** How much the page, the server and what holds the terminals may each grow over a flood, in bytes: less than what passes through them. */
const GROWTH_LIMIT_BYTES = 8 * 1024 * 1024;
/** How much of a flood is shown before it is measured, in bytes: by then all that is allocated once is there. */
const WARM_UP_BYTES = 2 * 1024 * 1024;
/** How much of it is shown while it is measured, in bytes. */
const FLOOD_BYTES = 16 * 1024 * 1024;
/** Longest wait for that, in milliseconds. */
const FLOOD_LIMIT_MS = 60_000;

let browser, stack, context, person, page, faults, ide, id;

before(async () => {
    stack = await Stack.start();
    browser = await launch();
    ({ context, page, faults } = await open(browser, { permissions: ['clipboard-read', 'clipboard-write'] }));
    person = await Person.register(context, stack.url, 'ada@example.org');
    id = await person.workspace('terminals');
    fs.mkdirSync(path.join(stack.filesOf(id), 'src/deep'), { recursive: true });
    fs.writeFileSync(path.join(stack.filesOf(id), 'src/deep/lines.txt'), 'one\ntwo\nthree four\nfive\n');
    fs.writeFileSync(path.join(stack.filesOf(id), 'run.sh'), 'echo "ran $((40 + 2))"\n');
    ide = new Ide(page);
    await page.goto(person.ideUrl(id));
    await ide.ready();
});
after(async () => {
    await browser?.close();
    await stack?.stop();
});

const step = steps('terminals', () => [{ page, faults, ide }]);

/** Runs in the page with its terminals. */
const terminals = (run, argument, of = page) => of.evaluate(([run, argument]) => {
    const { container } = window.theia;
    const key = [...container._bindingDictionary._map.keys()].find(id => typeof id === 'symbol' && id.description === 'TerminalService');
    return eval(run)(container.get(key), argument);
}, [run.toString(), argument]);

const tabs = () => page.locator('#theia-bottom-content-panel .lm-TabBar-tab[id*=terminal]').allInnerTexts();
const tab = label => page.locator('#theia-bottom-content-panel .lm-TabBar-tab').filter({ hasText: label }).first();
const ending = text => page.locator('.terminal-container:visible .coditect-terminal-end').filter({ hasText: text }).first();
const count = () => page.locator('.terminal-container').count();
const cursor = () => page.locator('#theia-statusBar').getByText(/^Ln \d+, Col \d+/).innerText();

/** How many terminals the server has for the person. */
const listed = () => terminals(async service => (await service.terminals.list()).length);

/** Chooses an entry by all of its name: that of one shell ends with that of another. */
async function chooseExactly(command, label) {
    await ide.command(command);
    await page.locator('.quick-input-list .monaco-list-row').getByText(label, { exact: true }).first().click();
    await page.locator('.quick-input-widget').waitFor({ state: 'hidden' });
}

/** Ends what is there, so that the next step begins with nothing. */
async function closeAll() {
    await terminals(service => service.all.forEach(terminal => terminal.close()));
    await eventually('the terminals to be gone', async () => await count() === 0);
}

/** The workspace on another computer of the same person, which knows nothing of this one's layout. */
async function elsewhere() {
    const other = await open(browser);
    const there = new Ide(other.page);
    await new Person(other.context, stack.url, person.email).logIn();
    await other.page.goto(person.ideUrl(id));
    await there.ready();
    return { ...other, there };
}

/** Text of the terminal of that name, once it matches; of several that are side by side. */
async function shows(label, pattern) {
    const read = () => terminals((service, label) => {
        const { active } = service.all.find(({ title }) => title.label.startsWith(label)).term.buffer;
        return Array.from({ length: active.length }, (_, row) => active.getLine(row).translateToString(true)).join('\n').trimEnd();
    }, label);
    let text = '';
    try {
        await eventually(`${label} to show ${pattern}`, async () => pattern.test(text = await read()));
    } catch (error) { throw new Error(`${error.message}; it shows:\n${text}`); }
    return text;
}

/** Types a line into the terminal of that name. */
async function enter(label, line) {
    await tab(label).click();
    await page.keyboard.type(line);
    await page.keyboard.press('Enter');
}

/** Points at a text in the terminal in front and clicks on it with Ctrl, as on a link. `look` runs while it is pointed at. */
async function follow(text, look) {
    const at = await terminals((service, text) => {
        const { term } = service.all.filter(terminal => terminal.isVisible).at(-1);
        const buffer = term.buffer.active;
        for (let row = buffer.length - 1; row >= 0; row--) {
            const column = buffer.getLine(row).translateToString(true).lastIndexOf(text);
            const line = row - buffer.viewportY;
            if (column >= 0 && line >= 0 && line < term.rows) {
                const { left, top, width, height } = term.element.querySelector('.xterm-screen').getBoundingClientRect();
                return { x: left + (column + 1.5) * width / term.cols, y: top + (line + 0.5) * height / term.rows };
            }
        }
        return undefined;
    }, text);
    assert.ok(at, `${text} is in sight`);
    const screen = page.locator('.terminal-container:visible .xterm-screen').last();
    await eventually(`${text} to be a link`, async () => {
        // From another line: what is a link in a line is found out when it is entered, and the folder that it is relative to may not be told yet.
        await page.mouse.move(at.x - 20, at.y + 40);
        await page.mouse.move(at.x, at.y);
        await ide.settled();
        return await screen.evaluate(element => element.classList.contains('xterm-cursor-pointer') || element.closest('.xterm').classList.contains('xterm-cursor-pointer'));
    });
    await look?.();
    await page.keyboard.down('Control');
    await page.mouse.click(at.x, at.y);
    await page.keyboard.up('Control');
}

step('the programs that the server offers', async () => {
    await ide.command('New Terminal: sh');
    await ide.terminalText(/[$#] ?$/m);
    await ide.run('echo "this is $0"');
    await ide.terminalText(/^this is (\/\S+\/)?sh$/m);
    await page.locator('#theia-bottom-content-panel .item.menu .chevron').first().click();
    const entry = label => page.locator('.lm-Menu .lm-Menu-itemLabel').getByText(label, { exact: true });
    await entry('bash').waitFor();
    await picture(page, 'terminals-profiles');
    await entry('bash').click();
    await eventually('another terminal', async () => await count() === 2);
    await ide.terminalText(/[$#] ?$/m);
    await ide.run('echo "this is $0"');
    await ide.terminalText(/^this is (\/\S+\/)?bash$/m);
    await chooseExactly('Choose the default Terminal Profile', 'sh');
    await eventually('the choice to be kept', () => {
        const settings = path.join(stack.data, 'homes', person.id, '.theia/settings.json');
        return fs.existsSync(settings) && /defaultProfile\.linux": "sh"/.test(fs.readFileSync(settings, 'utf8'));
    });
    await closeAll();
    await ide.newTerminal();
    await ide.run('echo "now $0"');
    await ide.terminalText(/^now (\/\S+\/)?sh$/m);
    await closeAll();
    await chooseExactly('Choose the default Terminal Profile', 'bash');
});

step('a program that cannot be started says why', async () => {
    await closeAll();
    stack.writeSettings(person.id, { 'terminal.integrated.profiles.linux': { Odd: { path: '/no/such/program' } } });
    await eventually('the profile', () => terminals(service => service.profileService.all.some(([name]) => name === 'Odd')));
    await chooseExactly('Create New Integrated Terminal from a Profile', 'Odd');
    await ending(/could not be started.*terminal\.start_failed/).waitFor();
    await ending(/./).getByRole('button', { name: 'Close' }).click();
    await eventually('it to be gone', async () => await count() === 0);
});

step('each end is told, stays readable, and can be started anew', async () => {
    await closeAll();
    await ide.newTerminal();
    await ide.run('cd src');
    await ide.run('echo still here; exit 3');
    await ending('The program ended with exit code 3.').waitFor();
    assert.match((await tabs()).join(), /bash \(exit code 3\)/);
    await ide.terminalText(/^still here$/m);
    await picture(page, 'terminals-exit');
    await page.locator('.terminal-container:visible').last().click();
    await page.keyboard.press('Enter');
    await ending(/./).waitFor({ state: 'detached' });
    await ide.run('pwd; echo shell $$');
    await ide.terminalText(/^still here$[\s\S]*\/src\nshell \d+/m);
    assert.deepEqual(await tabs(), ['bash']);
    await ide.run('kill -9 $$');
    await ending('ended by signal 9 (SIGKILL, killed)').waitFor();
    await ending(/./).getByRole('button', { name: 'Restart' }).click();
    await ending(/./).waitFor({ state: 'detached' });
    await ide.run('exit');
    await ending('The program ended.').waitFor();
    // The person is in the terminal still: the same key that ends a shell closes what is left of it.
    await page.keyboard.press('Control+d');
    await eventually('it to be gone', async () => await count() === 0);
    assert.equal(await listed(), 0, 'the server keeps nothing of it');
});

step('programs reach the server as their person, and no farther', async () => {
    await closeAll();
    await ide.newTerminal();
    const other = await person.workspace('another');
    const ask = route => `curl -s -w ' is %{http_code}\\n' -H "Authorization: Bearer $CODITECT_TOKEN" "$CODITECT_URL/api/v5/${route}"`;
    await ide.run(`clear; ${ask('workspaces/$CODITECT_WORKSPACE/files/run.sh')}`);
    await ide.terminalText(/^echo "ran \$\(\(40 \+ 2\)\)"$[\s\S]*^ is 200$/m);
    await ide.run(`clear; ${ask(`workspaces/${other}/files/`)}; ${ask('auth/tokens')}`);
    await ide.terminalText(/is 403[\s\S]*is 403$/m);
    await closeAll();
});

step('split, renamed, and in the folder where the shell is', async () => {
    await closeAll();
    await ide.newTerminal();
    await ide.run('mkdir -p "src/odd 100% ü" && cd "src/odd 100% ü"');
    await eventually('the folder to be told', () => terminals(async service => (await service.all[0].cwd).path.base === 'odd 100% ü'));
    await ide.command('Split Terminal');
    await eventually('two terminals side by side', async () => await page.locator('.terminal-container:visible').count() === 2);
    await ide.terminalText(/[$#] ?$/m);
    await ide.run('pwd');
    await ide.terminalText(/\/src\/odd 100% ü$/m);
    await ide.command('Terminal: Rename…');
    await page.locator('.quick-input-widget input[type=text]').fill('the right one');
    await page.keyboard.press('Enter');
    await tab('the right one').waitFor();
});

step('a reload brings them back: place, title, output, and what runs', async () => {
    await enter('the right one', 'MARK=kept; for i in $(seq 500); do echo "line $i"; done');
    await shows('the right one', /^line 500$/m);
    // Asks where the cursor is; the answer is read and thrown away.
    await enter('bash', 'LEFT=too; printf "\\033[6n"; read -rs -d R; echo asked');
    await shows('bash', /^asked$/m);
    const places = () => page.locator('.terminal-container:visible').evaluateAll(all => all.map(one => Math.round(one.getBoundingClientRect().left / 50)).sort());
    const before = { tabs: (await tabs()).sort(), places: await places() };
    assert.equal(new Set(before.places).size, 2);
    await page.reload();
    await ide.ready();
    await eventually('both', async () => await page.locator('.terminal-container:visible').count() === 2);
    assert.deepEqual({ tabs: (await tabs()).sort(), places: await places() }, before);
    assert.match(await shows('the right one', /^line 500$/m), /^line 1$/m);
    await shows('bash', /^asked$/m);
    await enter('the right one', 'echo "it is $MARK"');
    await shows('the right one', /^it is kept$/m);
    await enter('bash', 'echo "left $LEFT"');
    // What it was asked before the reload is not answered once more: that would be typed into the shell.
    assert.doesNotMatch(await shows('bash', /^left too$/m), /\d+;\d+R/);
    await picture(page, 'terminals-reloaded');
});

step('another computer of the same person takes part', async () => {
    const { there, ...other } = await elsewhere();
    await there.command('Attach to Running Terminal…');
    const row = other.page.locator('.quick-input-list .monaco-list-row').filter({ hasText: /\d+: (bash|the right one).*runs, started/ });
    await eventually('both to be offered, by the names that they were given', async () =>
        await row.count() === 2 && await row.filter({ hasText: 'the right one' }).count() === 1);
    await picture(other.page, 'terminals-attach');
    await other.page.keyboard.press('ArrowDown');
    await other.page.keyboard.press('Enter');
    await there.terminalText(/^line 500$/m);
    await there.run('echo "from there $MARK"');
    await there.terminalText(/^from there kept$/m);
    await other.page.locator('.lm-TabBar-tab').filter({ hasText: 'the right one' }).first().waitFor();
    await shows('the right one', /^from there kept$/m);
    other.faults.assertNone();
    await other.context.close();
    await enter('the right one', 'echo "still $MARK"');
    await shows('the right one', /^still kept$/m);
});

step('the connection is cut under them', async () => {
    await enter('the right one', 'clear; for i in $(seq 300); do echo "drop $i"; sleep 0.01; done; echo "rained $MARK"');
    faults.outage = true;
    for (const seen of [20, 100, 180]) {
        await shows('the right one', new RegExp(`^drop ${seen}$`, 'm'));
        await stack.cutConnections();
    }
    const text = await shows('the right one', /^rained kept$/m);
    faults.outage = false;
    const drops = [...text.matchAll(/^drop (\d+)$/gm)].map(([, drop]) => Number(drop));
    assert.deepEqual(drops, Array.from({ length: 300 }, (_, index) => index + 1), 'each line is there, once');
});

step('the server is killed under them', async () => {
    await enter('the right one', 'clear; for i in $(seq 40); do echo "tick $i"; sleep 0.1; done; echo "over $MARK"');
    await shows('the right one', /^tick 3$/m);
    const { supervisor } = stack;
    faults.outage = true;
    await stack.killAndRestart();
    const text = await shows('the right one', /^over kept$/m);
    faults.outage = false;
    assert.equal(stack.supervisor, supervisor);
    const ticks = [...text.matchAll(/^tick (\d+)$/gm)].map(([, tick]) => Number(tick));
    assert.deepEqual(ticks, Array.from({ length: 40 }, (_, index) => index + 1), 'each line is there, once');
    await enter('the right one', 'echo "typed $((1 + 1))"');
    await shows('the right one', /^typed 2$/m);
});

step('what runs them is killed', async () => {
    const { supervisor } = stack;
    process.kill(supervisor, 'SIGKILL');
    await eventually('it to be gone', () => !isAlive(supervisor));
    await eventually('both to be told', async () => await page.locator('.coditect-terminal-end').filter({ hasText: 'ended unexpectedly' }).count() === 2);
    assert.deepEqual((await tabs()).sort(), ['bash (lost)', 'the right one (lost)']);
    await shows('the right one', /^typed 2$/m);
    const covered = () => page.locator('.terminal-container:visible').evaluateAll(all => all.map(one => one.querySelector('.xterm-screen').getBoundingClientRect().bottom
        - one.querySelector('.coditect-terminal-end').getBoundingClientRect().top));
    await eventually('the last lines to be in sight', async () => (await covered()).every(pixels => pixels <= 0));
    await ide.settled();
    await picture(page, 'terminals-lost');
    await tab('the right one').click();
    await ide.command('Restart Ended Program');
    await eventually('one to run', async () => await page.locator('.coditect-terminal-end').count() === 1);
    await ide.command('Close All Ended Terminals');
    await eventually('the other to be gone', async () => await count() === 1);
    await enter('the right one', 'echo "again $((1 + 1))"');
    await shows('the right one', /^again 2$/m);
});

step('one that is gone by the time of a reload says so', async () => {
    const gone = await terminals(async service => {
        const [{ id }] = await service.terminals.list();
        return id;
    });
    await page.goto('about:blank');
    const other = await elsewhere();
    await terminals((service, gone) => service.terminals.discard(gone), gone, other.page);
    await other.context.close();
    await page.goto(person.ideUrl(id));
    await ide.ready();
    await ending('is not there any more').waitFor();
    await picture(page, 'terminals-gone');
    await ending(/./).getByRole('button', { name: 'Restart' }).click();
    await ide.terminalText(/[$#] ?$/m);
    await closeAll();
});

step('places that output names', async () => {
    await closeAll();
    await ide.newTerminal();
    const inside = /^(\/.*)$/m.exec(await (async () => {
        await ide.run('clear; pwd');
        return ide.terminalText(/^\/.*$/m);
    })())[1];
    const there = [
        ['src/deep/lines.txt:3:7', 'Ln 3, Col 7'], [`${inside}/src/deep/lines.txt:2`, 'Ln 2, Col 1'],
        [`file://${inside}/src/deep/lines.txt:4:2`, 'Ln 4, Col 2'], ['"src/deep/lines.txt", line 3', 'Ln 3, Col 1'],
    ];
    for (const [text, place] of there) {
        await ide.run(`clear; echo 'at ${text} <'`);
        await ide.terminalText(new RegExp(`^at ${text.replaceAll(/[^\w\s]/g, '\\$&')} <$`, 'm'));
        await follow(text);
        await ide.editor('lines.txt');
        await eventually(`${text} to lead to ${place}`, async () => await cursor() === place);
    }
    await ide.run('cd src/deep; clear; echo "lines.txt:1:2: odd"');
    await ide.terminalText(/^lines\.txt:1:2: odd$/m);
    await follow('lines.txt:1:2');
    await eventually('the place', async () => await cursor() === 'Ln 1, Col 2');
    const opened = context.waitForEvent('page');
    await context.route('https://example.org/**', route => route.fulfill({ contentType: 'text/html', body: 'elsewhere' }));
    await ide.run('clear; echo "see https://example.org/some/page?x=1."');
    await ide.terminalText(/^see https.*$/m);
    await follow('https://example.org/some/page', () => picture(page, 'terminals-link'));
    const elsewhere = await opened;
    await elsewhere.waitForURL('https://example.org/some/page?x=1');
    await elsewhere.close();
});

step('the selected text of an editor runs', async () => {
    await ide.openFromTree('run.sh');
    await page.locator('#theia-main-content-panel .monaco-editor:visible .view-lines').first().click();
    await page.keyboard.press('Control+Home');
    await ide.command('Run Selected Text in Terminal');
    await ide.terminalText(/^ran 42$/m);
    await closeAll();
    await ide.command('Run Selected Text in Terminal');
    await ide.terminalText(/^ran 42$/m);
});

step('a bell that rings unseen, find, clear, and copy', async () => {
    await ide.run('clear; sleep 1; printf "\\a"');
    await ide.command('New Terminal: sh');
    await page.locator('#theia-bottom-content-panel .lm-TabBar-tab .codicon-bell-dot').waitFor();
    await ide.command('Kill Terminal');
    await eventually('it to be gone', async () => await count() === 1);
    await page.locator('#theia-bottom-content-panel .lm-TabBar-tab .codicon-bell-dot').waitFor({ state: 'detached' });
    await ide.run('clear; echo find the needle here');
    await ide.terminalText(/^find the needle here$/m);
    await page.keyboard.press('Control+f');
    await page.locator('.terminal-container:visible .theia-search-terminal-widget input').waitFor();
    await page.keyboard.type('needle');
    await page.keyboard.press('Enter');
    await eventually('it to be found', () => terminals(service => service.all[0].getSelection() === 'needle'));
    await picture(page, 'terminals-find');
    await page.keyboard.press('Escape');
    await ide.command('Terminal: Clear');
    await eventually('it to be clear', () => terminals(service => service.all[0].term.buffer.active.length <= service.all[0].term.rows));
});

step('killed in the moment in which it starts', async () => {
    await closeAll();
    await ide.commandIds();
    for (let time = 0; time < 3; time++) {
        const [created, killed] = await page.evaluate(async () => {
            const commands = window.commandsUnderTest;
            const describe = promise => promise.then(() => 'done', error => `rejected: ${error?.stack ?? error}`);
            const created = describe(commands.executeCommand('terminal:new'));
            while (document.querySelectorAll('.terminal-container').length === 0) { await new Promise(resolve => setTimeout(resolve)); }
            return [await describe(commands.executeCommand('terminal:kill')), await created];
        });
        assert.deepEqual([created, killed], ['done', 'done']);
        await eventually('it to be gone', async () => await count() === 0);
    }
    await eventually('the server to have none', async () => await listed() === 0);
});

/** What the page, the server and what holds the terminals take of memory, in bytes; what the page no longer needs is cleaned up before. */
async function memory() {
    const session = await context.newCDPSession(page);
    await session.send('HeapProfiler.collectGarbage');
    const { usedSize, backingStorageSize } = await session.send('Runtime.getHeapUsage');
    await session.detach();
    return { page: usedSize + backingStorageSize, server: residentBytes(stack.server.pid), supervisor: residentBytes(stack.supervisor) };
}

/** Notes from here on how long the page stands still between two frames; a second call ends that and tells, in milliseconds. */
const frames = () => page.evaluate(() => {
    if (window.frameTimes) {
        const times = window.frameTimes.sort((a, b) => a - b);
        window.frameTimes = undefined;
        const at = share => Math.round(times[Math.min(times.length - 1, Math.floor(share * times.length))]);
        return { count: times.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), longest: at(1) };
    }
    const times = window.frameTimes = [];
    let last = performance.now();
    const frame = now => {
        times.push(now - last);
        last = now;
        if (window.frameTimes) { requestAnimationFrame(frame); }
    };
    requestAnimationFrame(frame);
    return undefined;
});

/** Lets a flood go on, of which the page has taken in `shown` bytes, and checks that nobody keeps it and that the page never stands still. */
async function assertHarmless(shown) {
    await eventually('the flood', async () => await shown() > WARM_UP_BYTES);
    const before = await memory();
    const [first, began] = [await shown(), Date.now()];
    await frames();
    await eventually('more of it', async () => await shown() > first + FLOOD_BYTES, FLOOD_LIMIT_MS);
    const stood = await frames();
    const rate = (await shown() - first) / (Date.now() - began) * 1000;
    const after = await memory();
    const inMiB = bytes => (bytes / 2 ** 20).toFixed(1);
    const growth = Object.entries(after).map(([name, bytes]) => [name, bytes - before[name]]);
    const told = growth.map(([name, more]) => `${name} ${inMiB(after[name])} MiB (${inMiB(more)} more)`).join(', ');
    console.log(`flood: ${inMiB(rate)} MiB/s; ${told}; frames ${JSON.stringify(stood)} ms`);
    for (const [name, more] of growth) { assert.ok(more < GROWTH_LIMIT_BYTES, `the ${name} grew by ${more} bytes`); }
    assert.ok(stood.longest < FRAME_LIMIT_MS, `the page stood still for ${stood.longest} ms`);
}

step('a flood of output', async () => {
    await closeAll();
    // Another page that was in front would slow this one's frames down.
    await page.bringToFront();
    await ide.newTerminal();
    const shown = () => terminals(service => [...service.terminals.shown.values()].at(-1).bytes);
    await ide.run('yes "a line of a flood, as long as lines of output are"');
    await assertHarmless(shown);
    await page.locator('.terminal-container:visible').last().click();
    const before = { shown: await shown(), time: Date.now() };
    await page.keyboard.press('Control+c');
    await ide.terminalText(/\^C[\s\S]*[$#] ?$/);
    const [time, bytes] = [Date.now() - before.time, await shown() - before.shown];
    console.log(`flood: Ctrl+C to prompt ${time} ms, ${bytes} bytes`);
    assert.ok(bytes < ON_ITS_WAY_LIMIT_BYTES, `${bytes} bytes came after Ctrl+C`);
    assert.ok(time < INTERRUPT_LIMIT_MS, `Ctrl+C took ${time} ms`);
});

step('a flood in a terminal that was never looked at', async () => {
    await ide.run('yes "a flood that nobody sees"');
    await ide.terminalText(/nobody sees/);
    await ide.command('New Terminal: sh');
    await eventually('another terminal', async () => await count() === 2);
    // Also where the server has not answered yet.
    await page.reload();
    await ide.ready();
    await eventually('both', () => terminals(service => service.all.filter(({ terminalId }) => terminalId > 0).length === 2));
    await assertHarmless(() => terminals(service => {
        const { bytes } = service.terminals.shown.get(service.all.find(terminal => !terminal.isVisible).terminalId);
        // Offsets count from the start of the program, which is long ago.
        return bytes - (window.firstBytes ??= bytes);
    }));
    await closeAll();
});
