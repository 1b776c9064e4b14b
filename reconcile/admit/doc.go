// Package admit decides what may come into force: the files of a stack as one set, and single objects through the API.
//
// Promises:
//
//   - A set is immutable and named by the digest of its content: the paths and bytes of its files, and what is held back from an earlier
//     content. Equal contents have equal digests on every host. Editing one file of many costs little, in memory and on disk.
//   - Admit gives all faults at once, each at its place: what is wrong within a document, and what does not fit together. It looks again
//     only at documents that changed and at those that refer to what went.
//   - The nearest Stack manifest up the tree owns a file. A file that no Stack owns belongs to the Stack specs.DefaultStack.
//   - A set that is read back from the store needs no parsing: documents are parsed when somebody asks for them.
package admit
