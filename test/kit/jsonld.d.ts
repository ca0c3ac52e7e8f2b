// Types of a package that has none: what tests use of it.
declare module 'jsonld' {
  const jsonld: { toRDF(document: object, options: object): Promise<string> }

  export = jsonld
}
