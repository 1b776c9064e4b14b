package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	publicEnd  = ".pub"
	pemPrivate = "PRIVATE KEY"
	pemPublic  = "PUBLIC KEY"
)

// Fingerprint names a public key: the first 16 hex digits of its SHA-256.
func Fingerprint(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(pub)
	return hex.EncodeToString(sum[:8])
}

// LoadPublicKey reads a public key, as Open leaves it beside the private one: PEM, as openssl has it.
func LoadPublicKey(path string) (ed25519.PublicKey, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read public key %q: %w", path, errors.Unwrap(err))
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != pemPublic {
		return nil, fmt.Errorf("cannot read public key %q: it has no PEM block %q", path, pemPublic)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read public key %q: %v", path, err)
	}
	pub, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("cannot read public key %q: it is no Ed25519 key", path)
	}
	return pub, nil
}

// openKey reads the private key, or makes it where nothing was ever signed. The public key is kept beside it, and must be its own.
func openKey(d *disk, path string, fresh bool) (ed25519.PrivateKey, error) {
	key, err := loadKey(path)
	if errors.Is(err, fs.ErrNotExist) && fresh {
		key, err = makeKey(d, path)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("cannot read key %q: there is none, but there are records that it signed; put it back, or move the audit log away to begin a new one", path)
	}
	if err != nil {
		return nil, err
	}
	pub := key.Public().(ed25519.PublicKey)
	have, err := LoadPublicKey(path + publicEnd)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return key, writePublic(d, path, pub)
	case err != nil:
		return nil, err
	case !have.Equal(pub):
		return nil, fmt.Errorf("cannot use key %q: %s is the public key of another one (%s, not %s); one of them was swapped", path, path+publicEnd, Fingerprint(have), Fingerprint(pub))
	}
	return key, nil
}

func loadKey(path string) (ed25519.PrivateKey, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read key %q: %w", path, errors.Unwrap(err))
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read key %q: %w", path, errors.Unwrap(err))
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("cannot use key %q: others can read it (%v); chmod 600, or make a new one if somebody did", path, info.Mode().Perm())
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != pemPrivate {
		return nil, fmt.Errorf("cannot read key %q: it has no PEM block %q", path, pemPrivate)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read key %q: it is damaged", path)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("cannot read key %q: it is no Ed25519 key", path)
	}
	return key, nil
}

func makeKey(d *disk, path string) (ed25519.PrivateKey, error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make key %q: %v", path, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("cannot make key %q: %v", path, err)
	}
	_ = os.Remove(path + publicEnd) // of a key that was lost before it signed anything
	if err := d.replace(path, pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der})); err != nil {
		return nil, fmt.Errorf("cannot make key %q: %w", path, err)
	}
	return key, writePublic(d, path, pub)
}

func writePublic(d *disk, path string, pub ed25519.PublicKey) error {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err == nil {
		err = d.replace(path+publicEnd, pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: der}))
	}
	if err == nil {
		err = d.syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("cannot write public key %q: %w", path+publicEnd, err)
	}
	return nil
}
