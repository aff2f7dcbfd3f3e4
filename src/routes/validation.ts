/** Validates requests to the plugin's routes with an Ajv of the plugin's own, because the host's has other options. */
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import type { FastifyInstance, FastifySchemaCompiler } from 'fastify'

/**
 * Isolates a scope from the validators of the host. Schemas are compiled when the first request arrives, because the
 * compilation takes a tenth of the time in which Fastify starts.
 *
 * @param hasHostSchema whether to validate and compile the schemas now, so that an invalid one fails the boot
 */
export function isolateValidation (scope: FastifyInstance, hasHostSchema: boolean): void {
  let ajv: Ajv | undefined

  scope.setValidatorCompiler(({ schema }) => {
    const compile = () => (ajv ??= createAjv(hasHostSchema)).compile(schema)
    let compiled = hasHostSchema ? compile() : undefined
    const validate: ReturnType<FastifySchemaCompiler<unknown>> = (data) => {
      compiled ??= compile()
      const isValid = compiled(data)
      validate.errors = compiled.errors ?? null
      return isValid
    }
    return validate
  })
}

/** @param validateSchema whether to validate schemas, which takes longer than to compile them */
function createAjv (validateSchema: boolean): Ajv {
  // Fastify's own options, except coercion: it would turn `{ code: 123 }` and `{ code: ['a'] }` into strings.
  return addFormats.default(new Ajv({
    coerceTypes: false, useDefaults: true, removeAdditional: true, addUsedSchema: false, strict: false, validateSchema
  }))
}
