/** Hides the demo's routes from the API documentation of the shop. */
export const HIDDEN_SCHEMA = { hide: true } as const
