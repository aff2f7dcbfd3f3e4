/** Reads names from the TypeScript sources with the compiler's API. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const ROOT = new URL('../../', import.meta.url)

/** Returns the member names of an interface, without symbols. `file` is relative to the root of the repository. */
export function typeMembers (file: string, name: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(new URL(file, ROOT), 'utf8'), ts.ScriptTarget.Latest)
  const declaration = source.statements.filter(ts.isInterfaceDeclaration).find((type) => type.name.text === name)
  if (declaration === undefined) throw new Error(`${file} declares no interface ${name}`)
  return declaration.members.flatMap((member) => {
    return member.name !== undefined && ts.isIdentifier(member.name) ? [member.name.text] : []
  })
}

/** Returns the names that each file exports: values and types. The files are relative to the root of the repository. */
export function exportedNames (files: readonly string[]): string[][] {
  const options = { module: ts.ModuleKind.NodeNext, noLib: true, types: [] }
  const host = ts.createCompilerHost(options)
  // The names need no dependency. Hidden dependencies are not parsed, which saves seconds.
  host.fileExists = (path) => !path.includes('node_modules') && ts.sys.fileExists(path)
  const paths = files.map((file) => fileURLToPath(new URL(file, ROOT)))
  const program = ts.createProgram(paths, options, host)
  const checker = program.getTypeChecker()
  return paths.map((path) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(path)!)!
    return checker.getExportsOfModule(module).map((symbol) => symbol.name)
  })
}
