/** An error of a store itself. It has a code, because logs contain only the code. */
export interface StoreError {
  readonly code: `WEAPP_${string}`
  readonly message: string
}

export function storeError ({ code, message }: StoreError): Error {
  return Object.assign(new Error(message), { code })
}
