import type { ObjectSchema } from '../options.js'
import { CodeSchema } from './schemas.js'

/** Returns the schema of a login's body: the code and the fields of the host. Undeclared fields are dropped. */
export function loginBody (
  { properties, required = [], ...rest }: ObjectSchema = { type: 'object', properties: {} }
): object {
  return {
    ...rest,
    properties: { code: CodeSchema, ...properties },
    required: ['code', ...required],
    additionalProperties: false
  }
}
