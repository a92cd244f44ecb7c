import { useEffect, useRef, useState, type DragEvent, type SyntheticEvent } from 'react';
import type { Workspace } from 'coditect-shell';
import { pageProblem, problemOf, type Problem } from '../logic/problem';
import { bytes } from '../logic/time';
import { ARCHIVES, MAX_NAME_CHARS, archiveName, isArchive } from '../logic/workspaces';
import { shell } from '../shell';
import { Dialog } from './Dialog';
import { ProblemNote } from './ProblemNote';
import { SubmitButton } from './SubmitButton';
import { Tabs } from './Tabs';
import { useAction } from './useAction';

const WAYS = [['empty', 'Empty'], ['git', 'Git repository'], ['archive', 'Upload archive']] as const;
type Way = (typeof WAYS)[number][0];

interface Sent {
    done: number;
    total: number;
}

interface Props {
    onClose: () => void;
    onDone: (workspace: Workspace) => void;
    onLate: (problem: Problem) => void;
}

export function CreateDialog({ onClose, onDone, onLate }: Props) {
    const [way, setWay] = useState<Way>('empty');
    const [name, setName] = useState('');
    const [url, setUrl] = useState('');
    const [file, setFile] = useState<File>();
    const [sent, setSent] = useState<Sent>();
    const { busy, problem, setProblem, start } = useAction(late => { if (late.code !== 'call.cancelled') { onLate(late); } });
    const abort = useRef<AbortController>(undefined);
    // An upload ends with its dialogue, a request that is sent does not.
    useEffect(() => () => abort.current?.abort(), []);

    async function upload(): Promise<Workspace> {
        if (!file) {
            throw pageProblem('page.no_file', 'Choose an archive first.');
        }
        abort.current = new AbortController();
        const given = name.trim() || archiveName(file.name);
        try {
            return await (await shell()).uploadWorkspace(given, file, (done, total) => setSent({ done, total }), abort.current.signal);
        } finally {
            setSent(undefined);
        }
    }

    async function create(): Promise<Workspace> {
        if (way === 'archive') {
            return upload();
        }
        const given = name.trim();
        return (await shell()).createWorkspace({ ...(given ? { name: given } : {}), source: way === 'git' ? { type: 'git', url: url.trim() } : { type: 'empty' } });
    }

    async function submit(event: SyntheticEvent): Promise<void> {
        event.preventDefault();
        if (await start(async () => onDone(await create()))) {
            onClose();
        }
    }

    function choose(chosen: File | undefined): void {
        if (!chosen || busy) {
            return;
        }
        const isUsable = isArchive(chosen.name);
        setFile(isUsable ? chosen : undefined);
        setProblem(isUsable ? undefined : problemOf(pageProblem('page.no_archive', `“${chosen.name}” is no archive that can be unpacked; choose a .zip, .tar or .tar.gz file.`)));
    }

    const namePlaceholder = { empty: 'my-project', git: 'The repository’s own', archive: file ? archiveName(file.name) : 'The archive’s own' }[way];
    return (
        <Dialog title="New workspace" onClose={onClose}>
            <Tabs label="Where the files come from" panel="way" tabs={WAYS} chosen={way} locked={busy} onChoose={id => { setWay(id); setProblem(undefined); }} />
            <div id="way" role="tabpanel" aria-labelledby={`tab-${way}`}>
                <form onSubmit={event => void submit(event)}>
                    {way === 'git' && (
                        <>
                            <label htmlFor="url">Repository URL or path</label>
                            <input id="url" value={url} required readOnly={busy} placeholder="https://example.org/team/project.git" autoComplete="off" autoCapitalize="off" spellCheck={false}
                                aria-describedby="url-hint" onChange={event => setUrl(event.target.value)} />
                            <p id="url-hint" className="hint">An https or ssh URL, or a path on the server below a folder that its operator opened.</p>
                        </>
                    )}
                    {way === 'archive' && <FileField file={file} onChoose={choose} />}
                    <label htmlFor="name">Name{way !== 'empty' && <span className="hint"> (optional)</span>}</label>
                    <input id="name" value={name} required={way === 'empty'} readOnly={busy} maxLength={MAX_NAME_CHARS} autoComplete="off" placeholder={namePlaceholder}
                        data-first onChange={event => setName(event.target.value)} />
                    {sent && <UploadProgress sent={sent} />}
                    <ProblemNote problem={problem} />
                    <footer>
                        <button type="button" onClick={onClose}>Cancel</button>
                        <SubmitButton busy={busy} busyLabel={sent ? 'Uploading …' : 'Creating …'}>Create workspace</SubmitButton>
                    </footer>
                </form>
            </div>
        </Dialog>
    );
}

/** A file that misses the field would be opened by the browser, in place of the page. */
function useNoStrayDrop(): void {
    useEffect(() => {
        const refuse = (event: Event) => event.preventDefault();
        addEventListener('dragover', refuse);
        addEventListener('drop', refuse);
        return () => {
            removeEventListener('dragover', refuse);
            removeEventListener('drop', refuse);
        };
    }, []);
}

function FileField({ file, onChoose }: { file: File | undefined; onChoose: (file: File | undefined) => void }) {
    const [over, setOver] = useState(false);
    useNoStrayDrop();
    function drop(event: DragEvent): void {
        event.preventDefault();
        setOver(false);
        onChoose(event.dataTransfer.files[0]);
    }
    return (
        <label className={over ? 'drop over' : 'drop'} onDragOver={() => setOver(true)} onDragLeave={() => setOver(false)} onDrop={drop}>
            <input type="file" accept={ARCHIVES.join(',')} onChange={event => onChoose(event.target.files?.[0])} />
            {file ? <span><strong>{file.name}</strong> <span className="hint">{bytes(file.size)}</span></span> : <span>Drop a .zip, .tar or .tar.gz here, or <u>choose one</u></span>}
        </label>
    );
}

function UploadProgress({ sent: { done, total } }: { sent: Sent }) {
    return (
        <p className="progress-row">
            <progress max={total} value={done} aria-label="Upload" />
            <span className="hint">{done < total ? `${bytes(done)} of ${bytes(total)}` : 'The server takes it in …'}</span>
        </p>
    );
}
