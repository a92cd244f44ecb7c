import { useState } from 'react';
import type { Reauthentication, SecondFactorStatus, TotpSetup, UserInfo } from 'coditect-shell';
import { ConfirmPassword } from '../../parts/ConfirmPassword';
import { ProblemNote } from '../../parts/ProblemNote';
import { RecoveryCodeSheet } from '../../parts/RecoveryCodeSheet';
import { Skeleton } from '../../parts/Skeleton';
import { TotpForm } from '../../parts/TotpForm';
import { When } from '../../parts/When';
import { useLoaded } from '../../parts/useLoaded';
import { shell } from '../../shell';

/** Recovery codes below this number are a reason to make new ones. */
const FEW_CODES = 3;

type Asked = 'begin' | 'renew' | 'disable' | undefined;

export function SecondFactor({ user }: { user: UserInfo }) {
    const { value: status, problem, reload } = useLoaded<SecondFactorStatus>(async () => (await shell()).secondFactor());
    const [asked, setAsked] = useState<Asked>();
    const [setup, setSetup] = useState<TotpSetup>();
    const [codes, setCodes] = useState<string[]>();

    function kept(): void {
        setCodes(undefined);
        reload();
    }
    function confirmed(made: string[]): void {
        setSetup(undefined);
        setCodes(made);
    }
    return (
        <>
            <h1>Second factor</h1>
            <p className="hint">With it a login asks for a code of your phone besides the password, so that the password alone lets nobody in.</p>
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            {!status && !problem && <Skeleton />}
            {codes && <RecoveryCodeSheet codes={codes} login={user.login} onKept={kept} />}
            {setup && <TotpForm setup={setup} onConfirmed={confirmed} onCancel={() => { setSetup(undefined); reload(); }} />}
            {status && !codes && !setup && (status.enabled
                ? <On status={status} onRenew={() => setAsked('renew')} onDisable={() => setAsked('disable')} />
                : <Off onBegin={() => setAsked('begin')} />)}
            <Question asked={asked} user={user} onClose={() => { setAsked(undefined); reload(); }} onSetup={setSetup} onCodes={setCodes} onChanged={reload} />
        </>
    );
}

function Off({ onBegin }: { onBegin: () => void }) {
    return (
        <section className="card stack">
            <h2>It is off</h2>
            <p>You need an authenticator: an app on your phone or in your password manager that shows six digits which change every half minute.</p>
            <p><button type="button" className="primary" onClick={onBegin}>Set it up</button></p>
        </section>
    );
}

function On({ status: { enabled_at: since, recovery_codes_left: left }, onRenew, onDisable }: { status: SecondFactorStatus; onRenew: () => void; onDisable: () => void }) {
    return (
        <section className="card stack">
            <h2>It is on</h2>
            {since && <p className="hint"><When what="Switched on" at={since} /></p>}
            <p className={left < FEW_CODES ? 'problem' : undefined}>
                {left === 1 ? 'One recovery code is' : `${left} recovery codes are`} left{left < FEW_CODES && '; make new ones before you need them'}.
            </p>
            <div className="buttons">
                <button type="button" className={left < FEW_CODES ? 'primary' : undefined} onClick={onRenew}>Make new recovery codes</button>
                <button type="button" onClick={onDisable}>Switch it off</button>
            </div>
        </section>
    );
}

interface QuestionProps {
    asked: Asked;
    user: UserInfo;
    onClose: () => void;
    onSetup: (setup: TotpSetup) => void;
    onCodes: (codes: string[]) => void;
    onChanged: () => void;
}

function Question({ asked, user, onClose, onSetup, onCodes, onChanged }: QuestionProps) {
    const same = { login: user.login, onClose };
    switch (asked) {
        case 'begin': return (
            <ConfirmPassword {...same} title="Set up the second factor" label="Go on" busyLabel="Checking …" hasSecondFactor={false}
                run={async who => onSetup(await (await shell()).beginTotp(who))}>
                <p>First say again who you are.</p>
            </ConfirmPassword>
        );
        case 'renew': return (
            <ConfirmPassword {...same} title="Make new recovery codes" label="Make them" busyLabel="Making them …" hasSecondFactor
                run={async who => onCodes((await (await shell()).renewRecoveryCodes(who)).codes)}>
                <p>The codes until now will count no more.</p>
            </ConfirmPassword>
        );
        case 'disable': return (
            <ConfirmPassword {...same} title="Switch the second factor off" label="Switch it off" busyLabel="Switching it off …" className="danger" hasSecondFactor
                run={async (who: Reauthentication) => {
                    await (await shell()).disableSecondFactor(who);
                    onChanged();
                }}>
                <p>From then on your password alone lets in whoever has it.</p>
            </ConfirmPassword>
        );
        default: return null;
    }
}
