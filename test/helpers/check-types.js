/**
 * Checks the types of the projects whose folders are given as arguments, as `tsc -p` does. The projects share parsed
 * declarations. With `skipLibCheck`, a project still checks the declarations of fastify-weapp.
 */
import { join } from 'node:path'
import ts from 'typescript'

const declarations = new Map()

/** Returns a compiler host that parses each declaration file once for all projects. */
function createHost (options) {
  const host = ts.createCompilerHost(options)
  const { getSourceFile } = host
  host.getSourceFile = (path, parseOptions, ...rest) => {
    if (!path.endsWith('.d.ts')) return getSourceFile(path, parseOptions, ...rest)
    const key = `${options.target} ${options.module} ${parseOptions.impliedNodeFormat} ${path}`
    if (!declarations.has(key)) declarations.set(key, getSourceFile(path, parseOptions, ...rest))
    return declarations.get(key)
  }
  return host
}

function check (folder) {
  const path = join(folder, 'tsconfig.json')
  const { fileNames, options, errors } = ts.getParsedCommandLineOfConfigFile(path, {}, {
    ...ts.sys, onUnRecoverableConfigFileDiagnostic: (diagnostic) => { throw new Error(diagnostic.messageText) }
  })
  const program = ts.createProgram(fileNames, { ...options, skipLibCheck: false }, createHost(options))
  const files = program.getSourceFiles().filter(({ fileName, isDeclarationFile }) => {
    return !options.skipLibCheck || !isDeclarationFile || fileName.includes('/fastify-weapp/dist/')
  })
  return [
    ...errors,
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...files.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)])
  ]
}

const diagnostics = process.argv.slice(2).flatMap(check)
process.stdout.write(ts.formatDiagnostics(diagnostics, {
  getCurrentDirectory: ts.sys.getCurrentDirectory, getCanonicalFileName: (name) => name, getNewLine: () => '\n'
}))
process.exitCode = diagnostics.length === 0 ? 0 : 1
