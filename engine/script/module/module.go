// Package module owns the modules json, crypto, jwt, log and http that scripts require, and the functions of the module server that
// put and take jobs. It must not know clients or topics.
package module
