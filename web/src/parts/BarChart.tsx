import { useId } from 'react';
import type { Step } from 'coditect-shell';
import { barName, scaleEnd, type Chart } from '../logic/usage';

interface Props {
    title: string;
    chart: Chart;
    step: Step;
    /** How a figure is written. */
    format: (value: number) => string;
}

/** Units of the drawing; it is stretched over the place that there is. */
const HEIGHT = 100;
const SLOT = 10;
/** Of a slot, what a bar takes. */
const BAR = 7.6;

/** Bars of what adds up, one for each step. What it shows stands in tables beside it, too. */
export function BarChart({ title, chart: { series, bars, most }, step, format }: Props) {
    const id = useId();
    const end = scaleEnd(most);
    const width = Math.max(1, bars.length) * SLOT;
    const [first, middle, last] = [bars[0], bars[Math.floor(bars.length / 2)], bars.at(-1)];
    const highest = bars.reduce((a, b) => b.sum > a.sum ? b : a, bars[0] ?? { at: 0, values: [], sum: 0 });
    const told = most > 0 ? `Highest: ${format(highest.sum)} at ${barName(highest.at, step, true)}. The tables below have all figures.` : 'There is nothing to show.';
    return (
        <figure className="chart">
            <div className="chart-scale" aria-hidden="true"><span>{format(end)}</span><span>{format(end / 2)}</span><span>{format(0)}</span></div>
            <svg role="img" aria-labelledby={`${id}-title`} aria-describedby={`${id}-desc`} viewBox={`0 0 ${width} ${HEIGHT}`} preserveAspectRatio="none">
                <title id={`${id}-title`}>{title}</title>
                <desc id={`${id}-desc`}>{told}</desc>
                {[0, HEIGHT / 2, HEIGHT].map(y => <line key={y} className="chart-line" x1={0} x2={width} y1={y} y2={y} />)}
                {bars.map((bar, index) => {
                    let top = HEIGHT;
                    return (
                        <g key={bar.at}>
                            <title>{tooltip(`${barName(bar.at, step, true)}: ${format(bar.sum)}`, bar.values.map((value, place) => [series[place]?.name ?? '', value]), format)}</title>
                            {/* Where the pointer need not hit the bar itself. */}
                            <rect className="chart-slot" x={index * SLOT} y={0} width={SLOT} height={HEIGHT} />
                            {bar.values.map((value, place) => {
                                const height = value / end * HEIGHT;
                                top -= height;
                                return height > 0 && <rect key={series[place]?.of} className={`tone-${series[place]?.tone ?? 0}`} x={index * SLOT + (SLOT - BAR) / 2} y={top} width={BAR} height={height} />;
                            })}
                        </g>
                    );
                })}
            </svg>
            <div className="chart-times" aria-hidden="true">{[first, middle, last].map((bar, index) => bar && <span key={index}>{barName(bar.at, step)}</span>)}</div>
        </figure>
    );
}

function tooltip(head: string, parts: readonly (readonly [string, number])[], format: (value: number) => string): string {
    return [head, ...parts.filter(([, value]) => value > 0).map(([name, value]) => `${name}: ${format(value)}`)].join('\n');
}
