import { useEffect, useRef, useState, type DragEvent, type SyntheticEvent } from 'react';
import { problemOf, shell, type Problem } from '../shell';
import { bytes } from '../time';
import { Dialog } from './Dialog';
import { ProblemNote } from './ProblemNote';

const WAYS = [['empty', 'Empty'], ['git', 'Git repository'], ['archive', 'Upload archive']] as const;
type Way = (typeof WAYS)[number][0];
const ARCHIVES = '.zip,.tar,.tar.gz,.tgz';

export function CreateDialog({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
    const [way, setWay] = useState<Way>('empty');
    const [name, setName] = useState('');
    const [url, setUrl] = useState('');
    const [file, setFile] = useState<File>();
    const [sent, setSent] = useState<{ sent: number; total: number }>();
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState<Problem>();
    const abort = useRef<AbortController>(undefined);
    useEffect(() => () => abort.current?.abort(), []);

    async function create(): Promise<void> {
        const rust = await shell();
        if (way === 'archive') {
            if (!file) {
                throw Object.assign(new Error('Choose an archive first.'), { code: 'page.no_file' });
            }
            abort.current = new AbortController();
            await rust.uploadWorkspace(name || file.name.replace(/\.(zip|tar|tgz|tar\.gz)$/i, ''), file, (done, total) => setSent({ sent: done, total }), abort.current.signal);
        } else {
            await rust.createWorkspace({ ...(name ? { name } : {}), source: way === 'git' ? { type: 'git', url } : { type: 'empty' } });
        }
    }

    async function submit(event: SyntheticEvent) {
        event.preventDefault();
        setBusy(true);
        setProblem(undefined);
        try {
            await create();
            onDone();
        } catch (error) {
            setProblem(problemOf(error));
            setBusy(false);
            setSent(undefined);
        }
    }

    function drop(event: DragEvent) {
        event.preventDefault();
        const dropped = event.dataTransfer.files[0];
        if (dropped) {
            setFile(dropped);
        }
    }

    return (
        <Dialog title="New workspace" onClose={onClose}>
            <div role="tablist" aria-label="Where the files come from" className="tabs">
                {WAYS.map(([id, label]) => (
                    <button key={id} type="button" role="tab" id={`tab-${id}`} aria-selected={way === id} aria-controls="way" disabled={busy}
                        onClick={() => { setWay(id); setProblem(undefined); }}>{label}</button>
                ))}
            </div>
            <form id="way" role="tabpanel" aria-labelledby={`tab-${way}`} onSubmit={event => void submit(event)}>
                {way === 'git' && (
                    <>
                        <label htmlFor="url">Repository URL or path</label>
                        <input id="url" value={url} required placeholder="https://example.org/team/project.git" autoComplete="off" spellCheck={false} onChange={event => setUrl(event.target.value)} />
                        <p className="hint">An https or ssh URL, or a path on the server below a folder that its operator opened.</p>
                    </>
                )}
                {way === 'archive' && (
                    <label className="drop" onDragOver={event => event.preventDefault()} onDrop={drop}>
                        <input type="file" accept={ARCHIVES} onChange={event => setFile(event.target.files?.[0])} />
                        {file ? <span><strong>{file.name}</strong> {bytes(file.size)}</span> : <span>Drop a .zip, .tar or .tar.gz here, or choose one</span>}
                    </label>
                )}
                <label htmlFor="name">Name</label>
                <input id="name" value={name} required={way === 'empty'} autoComplete="off" placeholder={way === 'git' ? 'The repository’s own' : way === 'archive' ? 'The archive’s own' : 'my-project'}
                    onChange={event => setName(event.target.value)} />
                {sent && (
                    <p className="progress-row">
                        <progress max={sent.total} value={sent.sent} aria-label="Upload" />
                        <span className="hint">{sent.sent < sent.total ? `${bytes(sent.sent)} of ${bytes(sent.total)}` : 'Unpacking …'}</span>
                    </p>
                )}
                <ProblemNote problem={problem} />
                <footer>
                    <button type="button" onClick={() => { abort.current?.abort(); onClose(); }}>Cancel</button>
                    <button type="submit" className="primary" disabled={busy}>{busy ? 'Creating …' : 'Create workspace'}</button>
                </footer>
            </form>
        </Dialog>
    );
}
