import { join } from 'node:path';
import { Application, Converter, type DeclarationReflection, ReflectionKind } from 'typedoc';
import { packages, root } from './repository.ts';

const nameOf = new Map(packages.flatMap(({ entries }) => entries.map(({ name, source }) => [source, name] as const)));

/**
 * The reference, from the comments in the sources: one page for everything that can be imported.
 * @throws where something public has no comment, or a comment refers to what is not there.
 */
export async function writeReference(): Promise<void> {
  const app = await Application.bootstrapWithPlugins({
    plugin: ['typedoc-plugin-markdown'],
    entryPoints: [...nameOf.keys()],
    tsconfig: join(root, 'docs/reference.tsconfig.json'),
    basePath: root,
    out: join(root, 'docs/reference'),
    readme: 'none',
    disableSources: true,
    excludePrivate: true,
    excludeInternal: true,
    excludeExternals: true,
    skipErrorChecking: true,
    sort: ['source-order'],
    packagesRequiringDocumentation: packages.map(({ name }) => name),
    validation: { notExported: false, invalidLink: true, notDocumented: true },
    requiredToBeDocumented: ['Function', 'Class', 'Interface', 'TypeAlias', 'Variable'],
    logLevel: 'Warn',
    // Of typedoc-plugin-markdown.
    router: 'module',
    entryFileName: 'index',
    hidePageHeader: true,
    hideBreadcrumbs: true,
    useCodeBlocks: true,
    expandObjects: false,
    parametersFormat: 'table',
    interfacePropertiesFormat: 'table',
    classPropertiesFormat: 'table',
    typeDeclarationFormat: 'table',
    tableColumnSettings: { hideSources: true, hideModifiers: true, hideInherited: true, hideOverrides: true },
  } as Parameters<typeof Application.bootstrapWithPlugins>[0]);
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (context, reflection: DeclarationReflection) => {
    if (reflection.kind !== ReflectionKind.Module) return;
    const file = context.getSymbolFromReflection(reflection)?.declarations?.[0]?.getSourceFile().fileName;
    reflection.name = nameOf.get(file ?? '') ?? reflection.name;
  });
  const project = await app.convert();
  if (!project) throw new Error('The reference was not made: see above.');
  app.validate(project);
  await app.generateOutputs(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error('The reference is not complete: see above.');
}
