/** The demo's routes are no part of the shop's API. */
export const HIDDEN = { hide: true } as const
