//! The real Fashion-MNIST, on a machine that has it.

use brolga_data::{Result, fashion_mnist};

#[test]
#[ignore = "needs Fashion-MNIST on this machine"]
fn has_as_many_images_of_each_class() -> Result<()> {
    let ((x_train, y_train), (x_test, y_test)) = fashion_mnist::load_data()?;
    assert_eq!(x_train.dim(), (60_000, 28, 28));
    assert_eq!(x_test.dim(), (10_000, 28, 28));
    for class in 0..10 {
        assert_eq!(y_train.iter().filter(|&&label| label == class).count(), 6000);
        assert_eq!(y_test.iter().filter(|&&label| label == class).count(), 1000);
    }
    Ok(())
}
