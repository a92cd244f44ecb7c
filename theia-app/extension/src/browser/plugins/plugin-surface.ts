import { Disposable } from '@theia/core';
import type { Offer, Surface } from 'coditect-shell';

export type SurfaceKind = Surface['kind'];
/** An offer for a place of one kind. */
export type OfferOf<K extends SurfaceKind> = Offer & { readonly surface: Extract<Surface, { kind: K }> };

export const PluginSurface = Symbol('PluginSurface');
/** A place of the IDE where plugins add something, and take it away again while the IDE runs. */
export interface PluginSurface<K extends SurfaceKind = SurfaceKind> {
    readonly kind: K;
    /** Adds it until disposed of. */
    add(offer: OfferOf<K>): Disposable;
}
